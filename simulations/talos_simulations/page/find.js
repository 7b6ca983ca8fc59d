// What is under the pointer; what is chosen, drawn; and the names, the overview and the tip around it.

const NEAR = 9;  // Pixels.

/** The thing at a place of the canvas, or null. What is drawn on top is found first. */
function thingAt(x, y, near = NEAR) {
  for (const flag of flags) {
    if (flag.left !== undefined && x >= flag.left && x <= flag.left + flag.wide && y >= flag.y && y <= flag.y + 20 && isInside(flag.at)) return flag;
  }
  if (x < view.gutter || y > view.bottom) return null;
  if (y < view.top - 6) return faults.find((fault) => fault.began && fault.row < view.bandsShown && isIn(bandBox(fault), x, y)) ?? null;
  const flag = flags.find((one) => Math.abs(xOf(one.at) - x) < 4);
  if (flag) return flag;
  return markAt(x, y, near) ?? standstillAt(x, y) ?? packetAt(x, y, near) ?? binAt(x, y);
}
const isInside = (at) => at >= view.from && at <= view.to;
const isIn = ({ x, y, wide }, px, py) => px >= x - 2 && px <= x + wide + 2 && py >= y - 1 && py <= y + view.bandHeight + 2;

function nearest(list, distance, near) {
  let best = null, least = near;
  for (const one of list) {
    const far = distance(one) + (isBright(one) ? 0 : near / 2);
    if (far < least) [best, least] = [one, far];
  }
  return best;
}
function markAt(x, y, near) {
  const isBinned = drawn.bins.length > 0;
  const list = isBinned ? marksInView().filter((one) => (one.act ? isSieved() && isBright(one) : true)) : marksInView();
  return nearest(list, (one) => Math.hypot(xOf(one.at) - x, markY(one) - y), near);
}
function standstillAt(x, y) {
  const isOver = (lane, from, to) => rowOf[lane] >= 0 && Math.abs(yOf(lane) - y) < Math.max(6, Math.min(12, view.lane * 0.2)) && x >= xOf(from) - 2 && x <= Math.max(xOf(to), xOf(from) + 4);
  return downs.find((one) => isOver(one.lane, one.from, one.to))
    ?? faults.find((one) => one.began && STANDS.has(one.kind) && one.lanes.some((lane) => isOver(lane, one.from, one.to)));
}
function packetAt(x, y, near) {
  const list = packetsInView();
  if (list.length > ARROWS_MAX) return null;
  return nearest(list, (packet) => {
    let least = Infinity;
    for (const end of [packet.end, ...packet.again]) {
      const { x0, y0, x1, y1 } = arrowOf(packet, end), wide = x1 - x0, tall = y1 - y0;
      const share = Math.min(1, Math.max(0, ((x - x0) * wide + (y - y0) * tall) / (wide * wide + tall * tall || 1)));
      least = Math.min(least, Math.hypot(x0 + share * wide - x, y0 + share * tall - y));
    }
    return least;
  }, near * 0.7);
}
function binAt(x, y) {
  const at = timeOf(x);
  const bin = drawn.bins.find((one) => one.from <= at && at < one.to && Math.abs(yOf(one.lane) - y) < view.lane * 0.38 && (y > yOf(one.lane)) === one.isBelow);
  if (!bin) return null;
  bin.title = `${nodeName(bin.lane)}, ${seconds(bin.from)} to ${seconds(bin.to)}`;
  bin.rows = [...kindNames.filter((kind) => bin.counts.has(kind)).map((kind) => [kindWords(kind), String(bin.counts.get(kind))]), ["", "Zoom in to tell them apart"]];
  return Object.assign(bin, { at: (bin.from + bin.to) / 2 });
}

// What is chosen, or under the pointer.

function drawChosen() {
  for (const [thing, width] of [[shown.hovered, 2], [shown.chosen, 2.5]]) {
    if (!thing) continue;
    ink.strokeStyle = ink.fillStyle = colours.focus;
    ink.lineWidth = width;
    if (thing.type === "packet" && isOn(thing)) {
      for (const end of [thing.end, ...thing.again]) {
        const arrow = arrowOf(thing, end);
        ink.beginPath(); ink.moveTo(arrow.x0, arrow.y0); ink.lineTo(arrow.x1, arrow.y1); ink.stroke();
        ink.beginPath(); head(arrow, 6); ink.fill();
      }
    }
    if (thing.type === "mark") drawLife(thing);
    if (thing.type === "fault") drawReach(thing);
  }
}

/** The acts of one message, joined. */
function drawLife(mark) {
  const life = (lives.get(mark.message) ?? [mark]).filter((one) => isShown(one.lane));
  ink.lineWidth = 1.5;
  ink.setLineDash([1, 3]);
  ink.beginPath();
  for (const one of life) ink.lineTo(xOf(one.at), markY(one));
  ink.stroke();
  ink.setLineDash([]);
  for (const one of life) {
    ink.lineWidth = one === mark ? 2.5 : 1.25;
    ink.beginPath();
    ink.arc(xOf(one.at), markY(one), markSize() + 3.5, 0, 7);
    ink.stroke();
  }
}

/** Whom a fault is about, and for how long. */
function drawReach(fault) {
  const left = xOf(fault.from), right = Math.max(xOf(fault.to), left + 3);
  const rows = fault.lanes.filter((lane) => rowOf[lane] >= 0).sort((one, two) => rowOf[one] - rowOf[two]);
  const tall = Math.min(view.lane - 4, view.lane * 0.8);
  ink.lineWidth = 1.75;
  for (const lane of rows) { ink.beginPath(); ink.roundRect(left, yOf(lane) - tall / 2, right - left, tall, 3); ink.stroke(); }
  if (rows.length > 1) {
    ink.setLineDash([2, 3]);
    ink.beginPath();
    for (let i = 1; i < rows.length; i++) { ink.moveTo(left, yOf(rows[i - 1]) + tall / 2); ink.lineTo(left, yOf(rows[i]) - tall / 2); }
    ink.stroke();
    ink.setLineDash([]);
  }
}

function drawNames() {
  ink.fillStyle = colours.paper;
  ink.fillRect(0, 0, view.gutter, view.height);
  ink.fillRect(0, view.bottom, view.width, view.height - view.bottom);
  ink.save();
  ink.beginPath();
  ink.rect(0, view.top - 8, view.gutter, view.bottom - view.top + 8);
  ink.clip();
  for (const lane of visible) {
    const y = yOf(lane);
    if (y < view.top - view.lane || y > view.bottom + view.lane) continue;
    const isFollowed = shown.follow === lane;
    if (isFollowed) { ink.fillStyle = colours.focus; ink.beginPath(); ink.roundRect(6, y - 11, view.gutter - 12, 22, 5); ink.fill(); }
    text(clip(run.nodes[lane], 14), view.gutter - 14, y + 0.5, { size: Math.min(13, Math.max(8, view.lane * 0.8)), weight: 600, align: "right", colour: isFollowed ? colours.paper : colours.text });
  }
  ink.restore();
  if (view.bandsShown) text("faults", view.gutter - 14, AXIS + 6 + view.bandHeight / 2, { align: "right", size: 11 });
}

// The overview: the whole run at the bottom, and in it the span that is seen.

let activity = null;
const xOfAll = (at) => view.gutter + ((at / END + MARGIN) / (1 + 2 * MARGIN)) * (view.width - view.gutter);
const timeOfAll = (x) => (((x - view.gutter) / (view.width - view.gutter)) * (1 + 2 * MARGIN) - MARGIN) * END;

function drawOverview() {
  const top = view.height - OVERVIEW, high = OVERVIEW - 10, columns = 200;
  if (!activity) {
    activity = new Float64Array(columns + 1);
    for (const [at] of run.events) activity[Math.min(columns, Math.max(0, Math.floor((at / END) * columns)))] += 1;
    const most = Math.max(1, ...activity);
    activity = activity.map((count) => Math.sqrt(count / most));
  }
  ink.fillStyle = colours.panel;
  ink.beginPath(); ink.roundRect(view.gutter, top, view.width - view.gutter - 2, high, 5); ink.fill();
  ink.fillStyle = colours.line;
  ink.beginPath();
  ink.moveTo(xOfAll(0), top + high);
  activity.forEach((share, i) => ink.lineTo(xOfAll((i / columns) * END), top + high - share * (high - 10)));
  ink.lineTo(xOfAll(END), top + high);
  ink.fill();
  ink.fillStyle = colours.fault;
  for (const fault of faults) if (fault.began) ink.fillRect(xOfAll(fault.from), top + 2, Math.max(2, xOfAll(fault.to) - xOfAll(fault.from)), 2);
  for (const flag of flags) { ink.fillStyle = flag.isBroken ? colours.broken : colours.soft; ink.fillRect(xOfAll(flag.at) - 1.5, top, 3, high); }
  const left = Math.max(view.gutter, xOfAll(view.from)), right = Math.min(view.width - 2, Math.max(xOfAll(view.to), left + 3));
  ink.strokeStyle = colours.focus;
  ink.lineWidth = 1.5;
  ink.beginPath(); ink.roundRect(left + 0.75, top + 0.75, right - left - 1.5, high - 1.5, 5); ink.stroke();
  text("all", view.gutter - 14, top + high / 2, { align: "right", size: 11 });
}
