// The picture, from the back to the front. `drawn` counts what is in it.

const drawn = { packets: 0, marks: 0, faults: 0, flags: 0, downs: 0, bins: [] };
const BIN = 5;  // Pixels at least, of one bar where there are too many marks to tell apart.

function draw() {
  Object.assign(drawn, { packets: 0, marks: 0, faults: 0, flags: 0, downs: 0, bins: [] });
  ink.globalAlpha = 1;
  ink.setLineDash([]);
  ink.fillStyle = colours.paper;
  ink.fillRect(0, 0, view.width, view.height);
  drawCalm();
  const label = drawGrid();
  inStage(() => {
    drawTints();
    drawLanes();
    drawPackets();
    drawStandstills();
    drawMarks();
    drawChosen();
  });
  drawBands();
  drawFlags();
  drawNames();
  label();
  drawOverview();
}

function inStage(work, top = view.top - 8) {
  ink.save();
  ink.beginPath();
  ink.rect(view.gutter, top, view.width - view.gutter, view.bottom - top);
  ink.clip();
  work();
  ink.restore();
}

function text(words, x, y, { colour = colours.soft, size = 12, weight = 400, align = "left" } = {}) {
  ink.font = `${weight} ${size}px ${FONT}`;
  ink.fillStyle = colour;
  ink.textAlign = align;
  ink.textBaseline = "middle";
  ink.fillText(words, x, y);
}

function drawCalm() {
  const x = Math.max(view.gutter, xOf(calmAt));
  if (!(x < view.width)) return;
  ink.fillStyle = colours.calm;
  ink.fillRect(x, AXIS, view.width - x, view.bottom - AXIS);
}

/** The least of 1, 2, 5, 10, 20, ... seconds, or of their fractions, that is not below `rough`. */
function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough);
}

/** Round steps of time, about 110 pixels apart. */
function drawGrid() {
  const step = roundStep(110 / perSecond());
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  ink.lineWidth = 1;
  for (let i = Math.ceil(view.from / step); i * step <= view.to; i++) {
    const x = Math.round(xOf(i * step)) + 0.5;
    ink.strokeStyle = colours.grid;
    ink.beginPath();
    ink.moveTo(x, AXIS);
    ink.lineTo(x, view.bottom);
    ink.stroke();
  }
  return () => {  // The labels, once all else is there.
    for (let i = Math.max(0, Math.ceil(view.from / step)); i * step <= view.to; i++) {
      const x = xOf(i * step);
      if (x > view.gutter - 1 && x < view.width - 14) text(`${(i * step).toFixed(digits)} s`, x, AXIS / 2, { align: "center" });
    }
  };
}

/** What a fault is about is tinted, for as long as it lasts: the lines of a link's two nodes, of a group, of one node. */
function drawTints() {
  for (const fault of faults) {
    if (!fault.began || STANDS.has(fault.kind)) continue;
    const from = Math.max(view.gutter, xOf(fault.from)), to = Math.max(xOf(fault.to), xOf(fault.from) + 2);
    if (to < view.gutter || from > view.width) continue;
    const tall = Math.min(view.lane - 4, view.lane * 0.8);
    ink.fillStyle = colours.band;
    ink.globalAlpha = (isBright(fault) ? 1 : 0.3) * (fault.kind === "partition" ? 1 : 0.38);
    for (const lane of fault.lanes) if (rowOf[lane] >= 0) ink.fillRect(from, yOf(lane) - tall / 2, to - from, tall);
  }
  ink.globalAlpha = 1;
}

function drawLanes() {
  ink.strokeStyle = colours.line;
  ink.lineWidth = 1.25;
  ink.beginPath();
  for (const lane of visible) {
    const y = Math.round(yOf(lane)) + 0.5;
    ink.moveTo(Math.max(view.gutter, xOf(0)), y);
    ink.lineTo(Math.min(view.width, xOf(END)), y);
  }
  ink.stroke();
}

/** Down: a solid bar on the line. Frozen or suspended: a hatched one. */
function drawStandstills() {
  const tall = Math.min(18, Math.max(5, view.lane * 0.3));
  const bar = (lane, from, to, fill, edge, words) => {
    const left = Math.max(view.gutter - 4, xOf(from)), right = Math.min(view.width + 4, Math.max(xOf(to), xOf(from) + 3));
    if (rowOf[lane] < 0 || right < view.gutter || left > view.width) return false;
    ink.beginPath();
    ink.roundRect(left, yOf(lane) - tall / 2, right - left, tall, Math.min(4, tall / 3));
    ink.fillStyle = colours.paper;
    ink.fill();
    ink.fillStyle = fill;
    ink.fill();
    ink.strokeStyle = edge;
    ink.lineWidth = 1;
    ink.stroke();
    const wide = ink.measureText(words).width, start = Math.max(left, view.gutter) + 18;  // A mark may lie at its start.
    if (tall >= 13 && right - start > wide + 8) {
      if (fill instanceof CanvasPattern) {
        ink.fillStyle = colours.paper;
        ink.fillRect(start - 4, yOf(lane) - tall / 2 + 2, wide + 8, tall - 4);
      }
      text(words, start, yOf(lane) + 0.5, { size: 11, weight: 600, colour: colours.text });
    }
    return true;
  };
  ink.font = `600 11px ${FONT}`;
  for (const fault of faults) {
    if (!STANDS.has(fault.kind) || !fault.began) continue;
    for (const lane of fault.lanes) bar(lane, fault.from, fault.to, hatch(colours.still, 6, 1.6), colours.still, fault.kind);
  }
  for (const down of downs) {
    if (bar(down.lane, down.from, down.to, colours.down, colours.line, `down: ${clip(downWords(down), 40)}`)) drawn.downs += 1;
  }
}

function marksInView() {
  const slack = 12 / perSecond();
  const first = firstFrom(marks, view.from - slack, (one) => one.at), past = firstFrom(marks, view.to + slack, (one) => one.at);
  const found = [];
  for (let i = first; i < past; i++) if (isOn(marks[i]) && isLaneInSight(marks[i].lane)) found.push(marks[i]);
  return found;
}

const isLaneInSight = (lane) => Math.abs(yOf(lane) - (view.top + view.bottom) / 2) <= (view.bottom - view.top + view.lane) / 2;
const markUnit = () => Math.min(9, Math.max(2.4, view.lane / 9));
const markSize = () => Math.min(4.4, Math.max(1.6, markUnit() * 0.55));
const markY = (mark) => yOf(mark.lane) + offsetOf(mark.kind, markUnit());

function drawMarks() {
  const found = marksInView();
  drawn.marks = found.length;
  const room = (view.width - view.gutter) * Math.max(1, Math.min(visible.length, (view.bottom - view.top) / view.lane));
  const isSparse = found.length * 7 < room && view.lane >= 20;
  if (!isSparse) drawBars(found.filter((one) => one.act || found.length > 4_000));
  const single = isSparse ? found : found.filter((one) => (one.act ? isSieved() && isBright(one) : found.length <= 4_000));
  drawEach(single.length > 8_000 ? [] : single);
}

function drawEach(list) {
  const size = markSize();
  for (const isLit of [false, true]) {
    const places = new Map();
    for (const mark of list) {
      if (isBright(mark) !== isLit) continue;
      if (!places.has(mark.kind)) places.set(mark.kind, []);
      places.get(mark.kind).push(xOf(mark.at), markY(mark));
    }
    ink.globalAlpha = isLit ? 1 : 0.13;
    for (const [kind, at] of places) drawShapes(ink, kind, at, size, colours[lookOf(kind).colour]);
  }
  ink.globalAlpha = 1;
}

/** Too many to tell apart: bars of how many, above the line what senders saw, below it what receivers saw. */
function drawBars(list) {
  const bins = new Map();
  const wide = roundStep(BIN / perSecond());
  for (const mark of list) {
    if (mark.lane < 0) continue;
    const column = Math.floor(mark.at / wide + 1e-9), isBelow = mark.act !== undefined && mark.act.row > 0;
    const key = (column * run.nodes.length + mark.lane) * 2 + (isBelow ? 1 : 0);
    let bin = bins.get(key);
    if (!bin) bins.set(key, (bin = { type: "bin", column, lane: mark.lane, isBelow, counts: new Map(), total: 0 }));
    bin.counts.set(mark.kind, (bin.counts.get(mark.kind) ?? 0) + 1);
    bin.total += 1;
  }
  const totals = [...bins.values()].map((bin) => bin.total).sort((one, two) => one - two);
  const most = totals[Math.floor(totals.length * 0.97)] ?? 1;  // A few that are higher yet do not flatten all others.
  const tall = view.lane * 0.3;
  const paths = new Map(kindNames.map((kind) => [kind, new Path2D()]));
  for (const bin of bins.values()) {
    const sign = bin.isBelow ? 1 : -1;
    let y = yOf(bin.lane) + sign * 1.5;
    Object.assign(bin, { from: bin.column * wide, to: (bin.column + 1) * wide });
    const x = xOf(bin.from), right = xOf(bin.to);
    for (const kind of kindNames) {
      const count = bin.counts.get(kind);
      if (!count) continue;
      const high = (count / bin.total) * Math.max(2.5, tall * Math.min(1.25, Math.sqrt(bin.total / most)));
      paths.get(kind).rect(x + 0.5, sign < 0 ? y - high : y, right - x - 1, high);
      y += sign * high;
    }
    drawn.bins.push(bin);
  }
  ink.globalAlpha = isSieved() ? 0.22 : 1;
  for (const [kind, path] of paths) {
    ink.fillStyle = colours[lookOf(kind).colour];
    ink.fill(path);
  }
  ink.globalAlpha = 1;
}

/** The weather: a bar for each fault, above the lines. */
function drawBands() {
  const high = view.bandHeight;
  inStage(() => {
    faults.forEach((fault, i) => {
      if (!fault.began || fault.row >= view.bandsShown) return;
      const { x, y, wide } = bandBox(fault);
      if (x + wide < view.gutter || x > view.width) return;
      drawn.faults += 1;
      ink.globalAlpha = isBright(fault) ? 1 : 0.25;
      ink.beginPath();
      ink.roundRect(x, y, wide, high, Math.min(3, high / 3));
      ink.fillStyle = STANDS.has(fault.kind) ? hatch(colours.still, 6, 1.6, 0.38) : colours.bar;
      ink.fill();
      ink.fillStyle = STANDS.has(fault.kind) ? colours.still : colours.fault;
      ink.fillRect(x, y, Math.min(3, wide), high);
      const size = Math.min(11, high - 1);
      if (size >= 9) {
        const next = faults.find((one, j) => j > i && one.row === fault.row && one.began);
        const room = Math.min(view.width, next ? xOf(next.from) : Infinity) - Math.max(x, view.gutter) - 12;
        const words = `${faultName(fault.kind)} ${list(fault.who, 4)}`;
        ink.font = `500 ${size}px ${FONT}`;
        const fits = Math.floor((room / ink.measureText(words).width) * words.length);
        if (fits >= Math.min(words.length, 6)) text(clip(words, fits), Math.max(x, view.gutter) + 7, y + high / 2 + 0.5, { size, weight: 500, colour: colours.text });
      }
    });
    ink.globalAlpha = 1;
  }, AXIS);
}
const bandBox = (fault) => {
  const x = xOf(fault.from);
  return { x, y: AXIS + 6 + fault.row * (view.bandHeight + BAND_GAP), wide: Math.max(4, xOf(fault.to) - x) };
};

/** Violations cross everything; so does the line where the calm begins. */
function drawFlags() {
  const rule = (at, colour, width, dash) => {
    const x = xOf(at);
    if (x < view.gutter - 1 || x > view.width + 1) return null;
    ink.strokeStyle = colour;
    ink.lineWidth = width;
    ink.setLineDash(dash);
    ink.beginPath();
    ink.moveTo(x, AXIS);
    ink.lineTo(x, view.bottom);
    ink.stroke();
    ink.setLineDash([]);
    return x;
  };
  const calm = rule(calmAt, colours.soft, 1.25, [2, 4]);
  if (calm !== null) {
    const isRight = view.width - calm > 92;
    ink.fillStyle = colours.paper;
    ink.fillRect(isRight ? calm + 2 : calm - 83, view.bottom - 20, 81, 18);
    text("calm begins", calm + (isRight ? 7 : -7), view.bottom - 10.5, { size: 11, weight: 600, align: isRight ? "left" : "right" });
  }
  flags.forEach((flag, i) => {
    const colour = flag.isBroken ? colours.broken : colours.soft;
    const x = rule(flag.at, colour, flag.isBroken ? 3 : 1.5, flag.isBroken ? [] : [6, 4]);
    if (x === null) return;
    drawn.flags += 1;
    Object.assign(flag, flagBox(flag, x, i));
    ink.fillStyle = colour;
    ink.beginPath();
    ink.roundRect(flag.left, flag.y, flag.wide, 20, 3);
    ink.fill();
    text(flagWords(flag), flag.left + 8, flag.y + 10.5, { size: 12, weight: 700, colour: colours.paper });
  });
}
const flagWords = (flag) => `${flag.isBroken ? "\u2716" : "!"} ${clip(flag.check, 28)}`;
function flagBox(flag, x, i) {
  ink.font = `700 12px ${FONT}`;
  const wide = ink.measureText(flagWords(flag)).width + 16;
  const isRight = x + wide < view.width - 4;
  return { left: isRight ? x : x - wide, wide, y: view.bottom - 46 - (i % 6) * 24 };
}
