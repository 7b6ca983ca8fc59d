// Pointer, wheel, fingers and keys.

const fingers = new Map();  // Pointer -> where it is.
let pressed = null;  // Where the first one went down, and what it drags.

const placeOf = (event) => {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
};

function press(event) {
  const place = placeOf(event);
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, place);
  if (fingers.size === 1) {
    pressed = { ...place, x0: place.x, y0: place.y, isOverview: place.y > view.bottom, isDrag: false };
    if (pressed.isOverview) centreOn(place.x);
  }
}
const centreOn = (x) => { const half = (view.to - view.from) / 2; show(timeOfAll(x) - half, timeOfAll(x) + half); };

function glide(event) {
  const place = placeOf(event);
  if (!fingers.has(event.pointerId)) {
    if (event.pointerType === "mouse") hover(thingAt(place.x, place.y), place.x, place.y);
    return;
  }
  const before = fingers.get(event.pointerId);
  if (fingers.size === 2) pinch(event.pointerId, before, place);
  else if (pressed) {
    pressed.isDrag ||= Math.hypot(place.x - pressed.x0, place.y - pressed.y0) > 4;
    if (pressed.isOverview) centreOn(place.x);
    else if (pressed.isDrag) {
      hover(null);
      canvas.classList.add("drags");
      view.scroll -= place.y - before.y;
      fitLanes();
      const by = (before.x - place.x) / perSecond();
      show(view.from + by, view.to + by);
    }
  }
  fingers.set(event.pointerId, place);
}

function pinch(id, before, place) {
  const [, other] = [...fingers].find(([one]) => one !== id);
  const was = Math.max(12, Math.abs(before.x - other.x)), is = Math.max(12, Math.abs(place.x - other.x));
  zoomAt(timeOf((before.x + other.x) / 2), was / is);
  const by = (before.x - place.x) / 2 / perSecond();
  show(view.from + by, view.to + by);
  if (pressed) pressed.isDrag = true;
}

function release(event) {
  const place = placeOf(event);
  if (pressed && fingers.size === 1 && !pressed.isDrag && !pressed.isOverview && event.type === "pointerup") tap(place, event.pointerType);
  fingers.delete(event.pointerId);
  canvas.classList.remove("drags");
  if (!fingers.size) pressed = null;
}
function tap({ x, y }, kind) {
  if (x < view.gutter && y >= view.top && y <= view.bottom) {
    const lane = visible[Math.floor((y - view.top + view.scroll) / view.lane)];
    if (lane !== undefined) follow(lane);
    return;
  }
  choose(thingAt(x, y, kind === "touch" ? 18 : NEAR));  // A finger is no fine point.
}

function roll(event) {
  event.preventDefault();
  const { x, y } = placeOf(event);
  const unit = event.deltaMode === 1 ? 16 : 1;
  const [across, down] = event.shiftKey ? [event.deltaY * unit + event.deltaX * unit, 0] : [event.deltaX * unit, event.deltaY * unit];
  if (event.altKey) { tallen(Math.exp(-down * 0.002)); return; }
  if (Math.abs(across) > Math.abs(down)) show(view.from + across / perSecond(), view.to + across / perSecond());
  else zoomAt(timeOf(Math.max(x, view.gutter)), Math.exp(Math.max(-120, Math.min(120, down)) * 0.0028));
  hover(thingAt(x, y), x, y);
}

function tallen(times) {
  const middle = (view.scroll + (view.bottom - view.top) / 2) / view.lane;
  view.laneScale = Math.min(12, Math.max(0.02, view.laneScale * times));
  fitLanes();
  view.scroll = middle * view.lane - (view.bottom - view.top) / 2;
  fitLanes();
  redraw();
}

const middleOfView = () => (shown.chosen && isInside(shown.chosen.sent ?? shown.chosen.at) ? shown.chosen.sent ?? shown.chosen.at : (view.from + view.to) / 2);
const KEYS = {
  "+": () => zoomAt(middleOfView(), 1 / 1.5), "=": () => zoomAt(middleOfView(), 1 / 1.5),
  "-": () => zoomAt(middleOfView(), 1.5), "_": () => zoomAt(middleOfView(), 1.5),
  "0": showAll, Home: showAll,
  ArrowLeft: () => moveBy(-0.15), ArrowRight: () => moveBy(0.15), PageUp: () => moveBy(-0.9), PageDown: () => moveBy(0.9),
  ArrowUp: () => { view.scroll -= view.lane; fitLanes(); redraw(); }, ArrowDown: () => { view.scroll += view.lane; fitLanes(); redraw(); },
  "[": () => tallen(1 / 1.3), "]": () => tallen(1.3),
  ",": () => step(-1), ".": () => step(1),
  "/": () => byId("search").focus(),
  Escape: () => { choose(null); hover(null); shown.follow = -1; byId("pick").open = false; },
};
const ANYWHERE = new Set(["+", "=", "-", "_", "0", ",", ".", "/", "[", "]", "Escape"]);

function type(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = event.target instanceof HTMLInputElement && event.target.type === "search";
  if (inField) {
    if (event.key === "Enter") { step(event.shiftKey ? -1 : 1); event.preventDefault(); }
    if (event.key === "Escape") canvas.focus();
    return;
  }
  if (!(event.key in KEYS) || (event.target !== canvas && !ANYWHERE.has(event.key))) return;
  KEYS[event.key]();
  event.preventDefault();
}

function listen() {
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", glide);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { if (!fingers.size) hover(null); });
  canvas.addEventListener("wheel", roll, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoomAt(timeOf(placeOf(event).x), 0.4));
  addEventListener("keydown", type);
  byId("search").addEventListener("input", (event) => search(event.target.value));
  byId("in").addEventListener("click", KEYS["+"]);
  byId("out").addEventListener("click", KEYS["-"]);
  byId("reset").addEventListener("click", showAll);
}
