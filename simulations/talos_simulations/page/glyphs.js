// Small shapes: what a colour says, a shape says too.

const SHAPES = {
  disc: (x, y, r, p) => { p.moveTo(x + r, y); p.arc(x, y, r, 0, 7); },
  disc2: (x, y, r, p) => { p.moveTo(x + r, y); p.arc(x, y, r, 0, 7); p.moveTo(x + r * 0.45, y); p.arc(x, y, r * 0.45, 0, 7, true); },
  square: (x, y, r, p) => p.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8),
  triangle: (x, y, r, p) => { p.moveTo(x, y - r * 1.15); p.lineTo(x + r * 1.1, y + r * 0.85); p.lineTo(x - r * 1.1, y + r * 0.85); p.closePath(); },
  diamond: (x, y, r, p) => { p.moveTo(x, y - r * 1.2); p.lineTo(x + r * 1.2, y); p.lineTo(x, y + r * 1.2); p.lineTo(x - r * 1.2, y); p.closePath(); },
  star: (x, y, r, p) => {
    for (let i = 0; i < 10; i++) {
      const far = i % 2 ? r * 0.55 : r * 1.3, turn = (i * Math.PI) / 5 - Math.PI / 2;
      p[i ? "lineTo" : "moveTo"](x + far * Math.cos(turn), y + far * Math.sin(turn));
    }
    p.closePath();
  },
  bolt: (x, y, r, p) => {
    p.moveTo(x + r * 0.5, y - r * 1.4); p.lineTo(x - r, y + r * 0.3); p.lineTo(x - r * 0.1, y + r * 0.3);
    p.lineTo(x - r * 0.5, y + r * 1.4); p.lineTo(x + r, y - r * 0.3); p.lineTo(x + r * 0.1, y - r * 0.3); p.closePath();
  },
  up: (x, y, r, p) => { p.moveTo(x - r * 0.7, y - r * 1.1); p.lineTo(x + r * 1.1, y); p.lineTo(x - r * 0.7, y + r * 1.1); p.closePath(); },
};
// These have no inside.
const STROKES = {
  ring: (x, y, r, p) => { p.moveTo(x + r * 0.85, y); p.arc(x, y, r * 0.85, 0, 7); },
  cross: (x, y, r, p) => { p.moveTo(x - r, y - r); p.lineTo(x + r, y + r); p.moveTo(x + r, y - r); p.lineTo(x - r, y + r); },
  down: (x, y, r, p) => { p.moveTo(x - r, y - r); p.lineTo(x - r, y + r); p.moveTo(x - r, y); p.lineTo(x + r, y); },
  caret: (x, y, r, p) => { p.moveTo(x - r * 0.7, y - r); p.lineTo(x + r * 0.5, y); p.lineTo(x - r * 0.7, y + r); },
  tick: (x, y, r, p) => { p.moveTo(x, y - r * 1.3); p.lineTo(x, y + r * 1.3); },
  arrow: (x, y, r, p) => { p.moveTo(x - r * 1.2, y - r); p.lineTo(x + r, y + r); p.moveTo(x + r, y - r * 0.2); p.lineTo(x + r, y + r); p.lineTo(x - r * 0.2, y + r); },
};

function lookOf(kind) {
  if (kind === "sent") return { glyph: "arrow", colour: "packet" };
  if (kind === "close") return { glyph: "arrow", colour: "soft" };
  if (kind === "dial") return { glyph: "caret", colour: "packet" };
  if (ACTS[kind]) return ACTS[kind];
  return { glyph: MACHINE[kind] ?? "tick", colour: MACHINE[kind] ? "text" : "soft" };
}

/** Where the marks of a kind lie, from the line of their node. */
function offsetOf(kind, unit) {
  if (ACTS[kind]) return ACTS[kind].row * unit;
  return 0;
}

/** Many shapes of one kind in one path. `places`: x, y, x, y, ... */
function drawShapes(pen, kind, places, r, colour) {
  const { glyph } = lookOf(kind);
  const fill = SHAPES[glyph], trace = fill ?? STROKES[glyph];
  pen.beginPath();
  for (let i = 0; i < places.length; i += 2) trace(places[i], places[i + 1], r, pen);
  if (fill) {
    pen.fillStyle = colour;
    pen.fill();
  } else {
    pen.strokeStyle = colour;
    pen.lineWidth = Math.max(1.25, r * 0.42);
    pen.lineCap = "round";
    pen.stroke();
  }
}

/** A small picture of a kind, for its switch. */
function drawKey(small, kind) {
  const dense = devicePixelRatio || 1, side = 16;
  small.width = small.height = side * dense;
  const pen = small.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  if (kind === "close") pen.setLineDash([2, 2]);
  drawShapes(pen, kind, [side / 2, side / 2], 4.6, colours[lookOf(kind).colour]);
}

/** A fill of slanted lines. */
const patterns = new Map();
function hatch(colour, gap = 6, width = 1.5, alpha = 1) {
  const key = `${colour} ${gap} ${width} ${alpha}`;
  if (!patterns.has(key)) {
    const tile = document.createElement("canvas"), dense = 2;
    tile.width = tile.height = gap * dense;
    const pen = tile.getContext("2d");
    pen.scale(dense, dense);
    pen.globalAlpha = alpha;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    for (const shift of [-gap, 0, gap]) { pen.beginPath(); pen.moveTo(shift - 1, gap + 1); pen.lineTo(shift + gap + 1, -1); pen.stroke(); }
    const pattern = ink.createPattern(tile, "repeat");
    pattern.setTransform(new DOMMatrix().scale(1 / dense));
    patterns.set(key, pattern);
  }
  return patterns.get(key);
}
