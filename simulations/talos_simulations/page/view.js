// What is seen: the span of time, the lanes, what is switched on, searched and chosen; and where things lie.

const canvas = byId("diagram");
const ink = canvas.getContext("2d");
const AXIS = 26, OVERVIEW = 46, FOOT = 8, BAND_MAX = 18, BAND_GAP = 2, BANDS_MAX = 220, LANE_MIN = 10, LANE_MAX = 170;
const SPAN_MIN = 1e-4;  // Seconds on the whole width.
const MARGIN = 0.012;  // Of the run, left free at both of its ends.

const view = {
  from: 0, to: 1, width: 0, height: 0, gutter: 60, top: 0, bottom: 0, lane: 60, scroll: 0,
  bandHeight: 0, bandRows: 0, laneScale: 1,
};
const shown = { kinds: new Set(kindNames), nodes: new Set(run.nodes.keys()), terms: [], follow: -1, chosen: null, hovered: null };

const xOf = (at) => view.gutter + ((at - view.from) / (view.to - view.from)) * (view.width - view.gutter);
const timeOf = (x) => view.from + ((x - view.gutter) / (view.width - view.gutter)) * (view.to - view.from);
const perSecond = () => (view.width - view.gutter) / (view.to - view.from);

let visible = [];  // The lanes that are shown, from the top ...
let rowOf = [];  // ... and the row of each lane; -1 if it is hidden.
function chooseLanes() {
  visible = run.nodes.map((_, lane) => lane).filter((lane) => shown.nodes.has(lane));
  rowOf = run.nodes.map(() => -1);
  visible.forEach((lane, row) => { rowOf[lane] = row; });
}
const isShown = (lane) => lane < 0 || rowOf[lane] >= 0;
const yOf = (lane) => (lane < 0 ? view.top - 5 : view.top + (rowOf[lane] + 0.5) * view.lane - view.scroll);
const isOn = (thing) => shown.kinds.has(thing.kind)
  && (thing.type === "packet" ? rowOf[thing.from] >= 0 && rowOf[thing.to] >= 0 : isShown(thing.lane));

/** Faults in rows, so that no two of one row overlap. */
function packBands() {
  const free = [];
  const least = END * 0.004;  // A fault of no duration is a bar all the same.
  for (const fault of faults) {
    let row = free.findIndex((to) => to <= fault.from);
    if (row < 0) row = free.push(0) - 1;
    free[row] = Math.max(fault.to, fault.from + least);
    fault.row = row;
  }
  view.bandRows = free.length;
}

function layOut() {
  const box = canvas.getBoundingClientRect();
  const dense = devicePixelRatio || 1;
  view.width = Math.max(160, box.width);
  view.height = Math.max(160, box.height);
  canvas.width = Math.round(view.width * dense);
  canvas.height = Math.round(view.height * dense);
  ink.setTransform(dense, 0, 0, dense, 0, 0);
  ink.font = `600 13px ${FONT}`;
  const widest = Math.max(24, ...visible.slice(0, 2000).map((lane) => ink.measureText(clip(run.nodes[lane], 14)).width));
  view.gutter = Math.min(view.width * 0.3, widest + 26);
  const room = Math.min(BANDS_MAX, view.height * 0.32), rows = view.bandRows;
  view.bandHeight = Math.max(2, Math.min(BAND_MAX, Math.floor(room / Math.max(1, rows)) - BAND_GAP));
  view.bandsShown = Math.min(rows, Math.floor(room / (view.bandHeight + BAND_GAP)));
  view.top = AXIS + (rows ? view.bandsShown * (view.bandHeight + BAND_GAP) + 14 : 8);
  view.bottom = view.height - OVERVIEW - FOOT;
  fitLanes();
}

function fitLanes() {
  const room = Math.max(20, view.bottom - view.top);
  const fit = room / Math.max(1, visible.length);
  view.lane = Math.min(Math.max(Math.min(Math.max(fit, 26), LANE_MAX) * view.laneScale, LANE_MIN), LANE_MAX * 2);
  view.scrollMax = Math.max(0, view.lane * visible.length - room);
  view.scroll = Math.min(Math.max(0, view.scroll), view.scrollMax);
  canvas.style.touchAction = view.scrollMax > 0 ? "none" : "pan-y";
}

function show(from, to) {
  const span = Math.min(Math.max(to - from, SPAN_MIN), END * (1 + 2 * MARGIN));
  const middle = (from + to) / 2;
  const least = -END * MARGIN, most = END * (1 + MARGIN);
  view.from = Math.min(Math.max(middle - span / 2, least), most - span);
  view.to = view.from + span;
  redraw();
}
const showAll = () => { view.laneScale = 1; view.scroll = 0; fitLanes(); show(-END * MARGIN, END * (1 + MARGIN)); };
const zoomAt = (at, factor) => show(at - (at - view.from) * factor, at + (view.to - at) * factor);
const moveBy = (share) => show(view.from + (view.to - view.from) * share, view.to + (view.to - view.from) * share);

/** Go to where a thing is, near enough to see it. */
function goTo(thing) {
  const from = thing.from !== undefined && thing.type !== "packet" ? thing.from : thing.sent ?? thing.at;
  const to = thing.type === "fault" || thing.type === "down" ? thing.to : thing.end ?? thing.at;
  const now = view.to - view.from;
  const span = Math.max((to - from) * 1.6, Math.min(now, Math.max(END * 0.08, TYPICAL * 40)));
  const middle = (from + to) / 2;
  const lane = thing.type === "packet" ? thing.from : thing.lane ?? thing.lanes?.[0] ?? -1;
  if (lane >= 0 && rowOf[lane] >= 0 && view.scrollMax > 0) {
    view.scroll = (rowOf[lane] + 0.5) * view.lane - (view.bottom - view.top) / 2;
    fitLanes();
  }
  show(middle - span / 2, middle + span / 2);
}

// What the search and the followed node leave bright. Without either, everything is.

const matched = new WeakMap();  // Thing -> whether the search finds it; made anew for each search.
const NAMES = new Set(run.nodes.map((name) => name.toLowerCase()));  // A whole name is meant as one: n1 is not n10.
let searching = 0;
function find(text) {
  shown.terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  searching += 1;
  redraw();
}
function isFound(thing) {
  const known = matched.get(thing);
  if (known && known.of === searching) return known.is;
  const text = searchText(thing).toLowerCase();
  const is = shown.terms.every((term) => (NAMES.has(term) ? text.split(" ").includes(term) : text.includes(term)));
  matched.set(thing, { of: searching, is });
  return is;
}
function touches(thing, lane) {
  if (thing.type === "packet") return thing.from === lane || thing.to === lane;
  if (thing.type === "fault") return thing.lanes.includes(lane);
  return thing.lane === lane || thing.node === run.nodes[lane] || thing.other === run.nodes[lane];
}
const isSieved = () => shown.terms.length > 0 || shown.follow >= 0;
const isBright = (thing) => (shown.terms.length === 0 || isFound(thing)) && (shown.follow < 0 || touches(thing, shown.follow));

// Redrawing, at most once a frame.

let awaited = 0;
function redraw() {
  if (!awaited) awaited = requestAnimationFrame(drawNow);
}
function drawNow() {
  awaited = 0;
  draw();
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "panel", "text", "soft", "line", "grid", "packet", "lost", "fault", "band", "bar", "down", "still", "calm", "broken",
    "tried", "accepted", "delivered", "handed", "done", "bad", "focus"]) colours[name] = style.getPropertyValue(`--${name}`).trim();
}
