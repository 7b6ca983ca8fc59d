// Packets: an arrow each, fading as they get many; beyond that, one stroke for many of the same way and time.

const ARROWS_MAX = 2_500;  // Drawn one by one.
const HEADS_MAX = 400;
const STROKES_MAX = 20_000;
const LARGE = 1_000;  // Bytes: a message, not only its acknowledgement.
const isLost = (packet) => packet.fate === "lost" || packet.fate === "never";
const HALF_WAY = 0.42;  // How far an arrow gets that does not arrive.

function packetsInView() {
  const found = [];
  const first = firstFrom(reach, view.from, (end) => end);
  for (let i = first; i < packets.length && packets[i].sent <= view.to; i++) {
    const packet = packets[i];
    if ((packet.end >= view.from || packet.again.some((end) => end >= view.from)) && isOn(packet) && isInSight(packet)) found.push(packet);
  }
  return found;
}

/** Whether any of it lies between the top and the bottom. */
function isInSight(packet) {
  const y = yOf(packet.from), far = yOf(packet.to);
  return Math.max(y, far) >= view.top && Math.min(y, far) <= view.bottom;
}

/** The two ends of an arrow. It starts and ends a little off the lines. */
function arrowOf(packet, end = packet.end) {
  const y = yOf(packet.from), far = yOf(packet.to), way = Math.sign(far - y) || 1;
  const share = packet.fate === "arrived" ? 1 : HALF_WAY;
  return { x0: xOf(packet.sent), y0: y + way * 1.5, x1: packet.fate === "arrived" ? xOf(end) : xOf(packet.sent) + (xOf(end) - xOf(packet.sent)) * (packet.fate === "lost" ? 1 : share), y1: y + (far - y) * share - way * 1.5 };
}

function drawPackets() {
  const found = packetsInView();
  drawn.packets = found.length;
  const bright = found.filter(isBright);
  if (found.length <= ARROWS_MAX) {
    if (bright.length < found.length) drawArrows(found.filter((one) => !isBright(one)), 0.1, false);
    drawArrows(bright, fading(bright.length), bright.length <= HEADS_MAX);
  } else {
    drawBundles(found, isSieved() ? 0.3 : 1);
    if (isSieved() && bright.length <= ARROWS_MAX) drawArrows(bright, fading(bright.length), bright.length <= HEADS_MAX);
  }
  ink.globalAlpha = 1;
  ink.setLineDash([]);
}

/** How strong an arrow is, where there are so many of them. */
function fading(count) {
  const perPixel = count / (view.width - view.gutter);
  return Math.max(0.14, 0.85 / (1 + perPixel * 3));
}

function drawArrows(some, alpha, withHeads) {
  const size = Math.min(6, view.lane * 0.12);
  for (const [isClose, isLarge] of [[true, false], [false, false], [false, true]]) {
    ink.globalAlpha = alpha * (isClose ? 0.8 : 1);
    ink.strokeStyle = ink.fillStyle = colours.packet;
    ink.lineWidth = isLarge ? 1.5 : 0.9;
    ink.setLineDash(isClose ? [3, 3] : []);
    ink.beginPath();
    const same = some.filter((one) => one.isClose === isClose && (one.size >= LARGE) === isLarge);
    for (const packet of same) for (const end of [packet.end, ...packet.again]) {
      const { x0, y0, x1, y1 } = arrowOf(packet, end);
      ink.moveTo(x0, y0);
      ink.lineTo(x1, y1);
    }
    ink.stroke();
    ink.setLineDash([]);
    if (!withHeads) continue;
    ink.beginPath();
    for (const packet of same) if (packet.fate === "arrived") for (const end of [packet.end, ...packet.again]) head(arrowOf(packet, end), size * (isLarge ? 1.15 : 0.9));
    ink.fill();
  }
  drawCrosses(some.filter(isLost), alpha);
}

function head({ x0, y0, x1, y1 }, size) {
  const turn = Math.atan2(y1 - y0, x1 - x0);
  ink.moveTo(x1, y1);
  ink.lineTo(x1 - size * 1.5 * Math.cos(turn - 0.36), y1 - size * 1.5 * Math.sin(turn - 0.36));
  ink.lineTo(x1 - size * 1.5 * Math.cos(turn + 0.36), y1 - size * 1.5 * Math.sin(turn + 0.36));
  ink.closePath();
}

function drawCrosses(lost, alpha) {
  ink.globalAlpha = Math.min(1, alpha * 2);
  ink.strokeStyle = colours.lost;
  ink.lineWidth = 1.6;
  ink.beginPath();
  for (const packet of lost) {
    const { x1, y1 } = arrowOf(packet);
    STROKES.cross(x1, y1, Math.min(4, view.lane * 0.07), ink);
  }
  ink.stroke();
}

function drawBundles(some, alpha) {
  let bundles;
  for (let wide = 3; wide <= 24; wide *= 2) {
    bundles = bundle(some, wide);
    if (bundles.size <= STROKES_MAX) break;
  }
  if (bundles.size > STROKES_MAX) return;  // The bars on the lines say what is going on.
  const most = Math.max(1, ...[...bundles.values()].map((one) => one.count));
  const strong = Math.min(1, 1_600 / bundles.size);
  for (const level of [0.25, 0.5, 0.75, 1]) {
    ink.globalAlpha = alpha * (0.03 + 0.45 * level * strong);
    ink.strokeStyle = colours.packet;
    ink.lineWidth = 0.8 + level;
    ink.beginPath();
    for (const { count, packet, end } of bundles.values()) {
      const is = Math.sqrt(count / most);
      if (is > level || is <= level - 0.25) continue;
      const { x0, y0, x1, y1 } = arrowOf(packet, end);
      ink.moveTo(x0, y0);
      ink.lineTo(x1, y1);
    }
    ink.stroke();
  }
  const lost = some.filter(isLost);
  if (lost.length <= HEADS_MAX) drawCrosses(lost, 0.35);
}

/** Packets that would lie on each other: same nodes, sent and arrived in the same columns of `wide` pixels. */
function bundle(some, wide) {
  const bundles = new Map(), lanes = run.nodes.length, columns = 1 << 14;  // A number is a faster key than a text.
  for (const packet of some) {
    const start = Math.floor(xOf(packet.sent) / wide), stop = Math.floor(xOf(packet.end) / wide);
    const key = ((start * columns + stop) * lanes + packet.from) * lanes + packet.to;
    const known = bundles.get(key);
    if (known) known.count += 1; else bundles.set(key, { count: 1, packet, end: packet.end });
  }
  return bundles;
}
