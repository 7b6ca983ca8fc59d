// Start: with the seconds of the address, if it ends in #40..42; and, where it ends in #check, a walk through everything, whose outcome is told in the page.

function recolour() {
  readColours();
  patterns.clear();
  drawKeys();
  redraw();
}

function start() {
  readColours();
  fillHead();
  packBands();
  fillKinds();
  fillNodes();
  fillLists();
  listen();
  showAll();
  draw();
  new ResizeObserver(() => { layOut(); redraw(); }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  tellState(toldCounts());
}

const toldCounts = () => `; in sight: packets ${drawn.packets}, marks ${drawn.marks}, faults ${drawn.faults}, flags ${drawn.flags}, down times ${drawn.downs}`;

/** Use every control once, draw after each, and see that it did what it is there for. */
function check() {
  const whole = toldCounts();
  const kinds = new Set();
  let looks = 0, hits = 0;
  const must = (is, words) => { if (!is) errors.push(`not so: ${words}`); };
  const look = () => {
    draw();
    looks += 1;
    for (let x = 4; x < view.width; x += 29) for (let y = 4; y < view.height; y += 29) {
      const thing = thingAt(x, y);
      if (thing) { hits += 1; kinds.add(thing.type); hover(thing, x, y); }
    }
    hover(null);
  };
  look();
  checkLists(look, must);
  for (const down of downs.slice(0, 20)) { goTo(down); draw(); kinds.add(thingAt(xOf((down.from + down.to) / 2), yOf(down.lane) + 4)?.type ?? "nothing"); }
  checkKeys(must);
  checkSwitches(must);
  for (let i = 0; i < 14; i++) { zoomAt(END * 0.37, 0.5); look(); step(i % 3 ? 1 : -1); }
  showAll();
  for (const words of ["n0", "handed", "\\(*", ""]) { search(words); look(); }
  run.nodes.slice(0, 3).forEach((_, lane) => { follow(lane); look(); follow(lane); });
  KEYS.Escape();
  showAll();
  draw();
  must(whole === toldCounts(), `all is as it was, not ${toldCounts()}`);
  tellState(`${whole}; looks: ${looks}; hits: ${hits} (${[...kinds].sort().join(", ")})`);
}

function checkLists(look, must) {
  for (const button of document.querySelectorAll("aside ol button")) {
    show(0, END / 50);
    button.click();
    look();
    const { from } = view;
    show(END * 0.98, END);
    button.click();
    draw();
    must(Math.abs(from - view.from) < END * 1e-6 || isInside(shown.chosen.at), "a click goes to one place, from wherever");
    const { type, at } = shown.chosen;
    must(at > END || isInside(at) || faults.some((one) => one.at === at && !one.began), `a click on a ${type} at ${at} goes there`);
  }
}

function checkKeys(must) {
  const press = (key) => { canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); draw(); };
  const span = () => view.to - view.from;
  for (const key of Object.keys(KEYS)) press(key);
  press("0");
  const all = span();
  press("+");
  must(Math.abs(span() * 1.5 - all) < all * 1e-6, "+ zooms in");
  const { from } = view;
  press("ArrowRight");
  must(view.from > from, "the right arrow moves on");
  press("-");
  press("0");
  must(Math.abs(span() - all) < all * 1e-6, "0 shows the whole run");
  press("Escape");
  press(".");
  must(shown.chosen !== null || packets.length + marks.length + flags.length + faults.length === 0, ". chooses the next thing");
  press("Escape");
  must(shown.chosen === null, "Escape lets go");
}

function checkSwitches(must) {
  const total = () => drawn.packets + drawn.marks;
  showAll();
  draw();
  const all = total();
  for (const box of document.querySelectorAll("#kinds input")) {
    box.click();
    draw();
    must(all - total() === kinds.get(box.dataset.kind) || view.scrollMax > 0, `${box.dataset.kind} can be switched off`);
    box.click();
    draw();
  }
  document.querySelectorAll("#nodes input").forEach((box, lane) => {
    const own = marks.filter((one) => one.lane === lane).length + packets.filter((one) => one.from === lane || one.to === lane).length;
    const before = total();
    box.click();
    draw();
    must(before - total() === own || view.scrollMax > 0, `${run.nodes[lane]} can be switched off`);
    box.click();
    draw();
  });
}

start();
const [, from, to] = location.hash.match(/^#([\d.]+)\.\.([\d.]+)$/) ?? [];
if (Number(to) > Number(from)) { show(Number(from), Number(to)); draw(); }
if (location.hash === "#check") check();
