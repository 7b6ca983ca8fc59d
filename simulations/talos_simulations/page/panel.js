// Everything around the diagram. Texts of the run reach the page as text only.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function fillHead() {
  const broken = flags.filter((flag) => flag.isBroken), told = flags.length - broken.length;
  document.title = `${run.scenario}, seed ${run.seed}: ${broken.length ? "broken" : "held"}`;
  byId("scenario").textContent = run.scenario;
  byId("seed").textContent = run.seed;
  byId("facts").textContent = [`commit ${run.commit}`, plural(run.nodes.length, "node"), `${+run.virtual_s.toFixed(3)} virtual s`,
    plural(run.faults.length, "fault"), plural(packets.length, "packet"), plural(lives.size, "message")].join("  \u00b7  ");
  const verdict = byId("verdict");
  verdict.classList.add(broken.length ? "broken" : "held");
  const reports = told ? ` ${plural(told, "report")} of what this scenario does not demand.` : "";
  verdict.append(make("b", {}, broken.length ? "\u2716 Broken" : "\u2714 Held"), " ", broken.length
    ? `${broken.map((flag) => `${flag.check} at ${+flag.at.toFixed(3)} s`).join("; ")}: ${broken[0].text}.`.replace(/\.\.$/, ".") + reports
    : `Every promise that was demanded held, through ${plural(faults.filter((one) => one.began).length, "fault")}.${reports}`);
  byId("replay").textContent = run.replay;
  byId("copy").addEventListener("click", copyReplay);
}

async function copyReplay() {
  const tell = (words) => { byId("copy").textContent = words; setTimeout(() => { byId("copy").textContent = "Copy"; }, 1_500); };
  try {
    await navigator.clipboard.writeText(run.replay);
    tell("Copied");
  } catch {  // No leave to write: choose the text, so that one key copies it.
    getSelection().selectAllChildren(byId("replay"));
    tell("Selected");
  }
}

function fillKinds() {
  for (const kind of kindNames) {
    const key = make("canvas", { class: "key", "aria-hidden": "true" });
    const box = make("input", { type: "checkbox", checked: true, onchange: () => {
      if (box.checked) shown.kinds.add(kind); else shown.kinds.delete(kind);
      redraw();
    } });
    box.dataset.kind = kind;
    byId("kinds").append(make("label", { title: kind }, box, key, clip(kindWords(kind), 32), make("small", {}, kinds.get(kind).toLocaleString("en"))));
  }
  drawKeys();
}
const drawKeys = () => document.querySelectorAll("#kinds label").forEach((label) => drawKey(label.querySelector("canvas"), label.firstChild.dataset.kind));

function fillNodes() {
  run.nodes.forEach((name, lane) => {
    const box = make("input", { type: "checkbox", checked: true, onchange: () => {
      if (box.checked) shown.nodes.add(lane); else shown.nodes.delete(lane);
      lanesChanged();
    } });
    byId("nodes").append(make("label", {}, box, name));
  });
  const setAll = (is) => {
    shown.nodes = new Set(is ? run.nodes.keys() : []);
    document.querySelectorAll("#nodes input").forEach((box) => { box.checked = is; });
    lanesChanged();
  };
  byId("all").addEventListener("click", () => setAll(true));
  byId("none").addEventListener("click", () => setAll(false));
  addEventListener("pointerdown", (event) => { if (!byId("pick").contains(event.target)) byId("pick").open = false; });
  lanesChanged();
}
function lanesChanged() {
  chooseLanes();
  byId("picked").textContent = `${visible.length}/${run.nodes.length}`;
  layOut();
  redraw();
}

const LISTED_MAX = 500;
function fillLists() {
  const row = (thing, name, note, isFaint) => make("li", {}, make("button", { type: "button", class: isFaint ? "faint" : "", onclick: () => { choose(thing); goTo(thing); } },
    make("span", { class: "when" }, `${+thing.at.toFixed(2)} s`), make("span", {}, make("b", {}, name), `: ${note}`)));
  const section = (place, title, rows, words) => {
    byId(place).append(make("h2", {}, title, make("small", {}, String(rows.length))),
      rows.length ? make("ol", {}, ...rows.slice(0, LISTED_MAX)) : make("p", { class: "none" }, words));
    if (rows.length > LISTED_MAX) byId(place).append(make("p", { class: "none" }, `and ${rows.length - LISTED_MAX} more`));
  };
  const flagRow = (flag) => row(flag, flag.check, flag.text, false);
  const reports = flags.filter((flag) => !flag.isBroken);
  section("broken", "Violations", flags.filter((flag) => flag.isBroken).map(flagRow), "None.");
  if (reports.length) section("told", "Reports", reports.map(flagRow), "");
  section("weather", "Faults", faults.map((fault) => row(fault, faultName(fault.kind), faultWords(fault) + (fault.for_s ? ` \u00b7 ${short(fault.for_s)}` : ""), !fault.began)), "None: fair weather.");
}

function choose(thing) {
  shown.chosen = thing;
  const place = byId("chosen");
  place.replaceChildren();
  if (thing) place.append(...detail(thing, "h2"), make("button", { type: "button", class: "let-go", "aria-label": "Let go", title: "Let go (Esc)", onclick: () => choose(null) }, "\u00d7"));
  redraw();
}

function detail(thing, heading) {
  const { title, rows } = describe(thing);
  const table = make("dl");
  for (const [name, words] of rows) table.append(make("dt", {}, name), make("dd", {}, words));
  return [make(heading, {}, title), table];
}

function hover(thing, x = 0, y = 0) {
  const tip = byId("tip");
  if (thing !== shown.hovered && !(thing?.type === "bin" && shown.hovered?.type === "bin" && thing.title === shown.hovered.title)) {
    shown.hovered = thing;
    tip.replaceChildren(...(thing ? detail(thing, "h3") : []));
    redraw();
  }
  tip.hidden = !thing;
  canvas.classList.toggle("over", Boolean(thing));
  if (!thing) return;
  const wide = tip.offsetWidth, high = tip.offsetHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 16, view.width - wide - 4))}px`;
  tip.style.top = `${y + 18 + high > view.height ? Math.max(4, y - high - 14) : y + 18}px`;
}

function search(words) {
  find(words);
  const count = (things) => things.reduce((sum, one) => sum + (isFound(one) ? 1 : 0), 0);
  byId("found").textContent = shown.terms.length ? plural(count(packets) + count(marks) + count(faults) + count(flags), "match").replace(/matchs$/, "matches") : "";
}

/** Choose the thing before or after the chosen one, among those that are on and that search and follow leave bright. */
function step(way) {
  const at = (one) => one.sent ?? one.at;
  const now = shown.chosen ? [at(shown.chosen), rankOf(shown.chosen)] : way > 0 ? [Math.max(view.from, -1), -1] : [view.to, Infinity];
  let best = null;
  const later = (one, two) => one[0] - two[0] || one[1] - two[1];
  for (const things of [flags, faults, packets, marks]) for (const one of things) {
    const place = [at(one), rankOf(one)];
    if (later(place, now) * way <= 0 || (best && later(place, best.place) * way >= 0)) continue;
    if (isBright(one) && (one.type === "flag" || (one.type === "fault" ? one.began : isOn(one)))) best = { one, place };
  }
  if (best) { choose(best.one); if (best.place[0] < view.from || best.place[0] > view.to) goTo(best.one); }
}
const ranks = new Map([...flags, ...faults, ...packets, ...marks].map((thing, rank) => [thing, rank]));
const rankOf = (thing) => ranks.get(thing) ?? -1;

/** Dim whatever does not touch this node; once more, and all is as before. */
function follow(lane) {
  shown.follow = shown.follow === lane ? -1 : lane;
  redraw();
}
