"use strict";
// What the JSON says, as things that can be drawn. Times are virtual seconds; a lane is the place of a node in `nodes`.

const errors = [];
addEventListener("error", (event) => { errors.push(event.message); tellState(); });

const byId = (id) => document.getElementById(id);
function tellState(more = "") {
  byId("state").textContent = `errors: ${errors.length}${errors.map((text) => `; ${text}`).join("")}${more}`;
}

const run = JSON.parse(byId("run").textContent);
const END = Math.max(run.virtual_s, ...run.violations.map((one) => one[1]), 0.001);
const LANES = new Map(run.nodes.map((name, lane) => [name, lane]));
const laneOf = (name) => LANES.get(name) ?? -1;  // -1: not of this run; drawn at the top.

// Acts belong to the application that saw them. `row`: above the line (sender) or below it (receiver).
const ACTS = {
  tried: { row: -1, glyph: "ring", colour: "tried" },
  accepted: { row: -2, glyph: "disc", colour: "accepted" },
  delivered: { row: -3, glyph: "disc2", colour: "delivered" },
  refused: { row: -2, glyph: "cross", colour: "bad" },
  unsure: { row: -2, glyph: "diamond", colour: "bad" },
  handed: { row: 1, glyph: "triangle", colour: "handed" },
  done: { row: 2, glyph: "square", colour: "done" },
  garbled: { row: 1, glyph: "star", colour: "bad" },
};
const AT_RECEIVER = new Set(["handed", "done", "garbled"]);
const MACHINE = { up: "up", down: "down", crash: "bolt", rot: "diamond" };  // Kind -> glyph.
const FRAMES = new Set(["fault", "fault_ended", "calm", "violation", "report"]);  // Drawn as bands, lines and flags.

const packets = [];  // In the order they were sent: {from, to, sent, end, fate, number, size, isClose}.
const marks = [];  // Everything else that happened at one node: {at, kind, lane, ...}.
const lives = new Map();  // Message -> its acts, in order.
const downs = [];  // {lane, from, to, why}
const flags = run.violations.map(([check, at, text]) => ({ type: "flag", at, check, text, isBroken: true }));
const faults = [];
let calmAt = Infinity;
let away = "";

function readEvents() {
  const under = new Map();
  const dead = new Map();
  for (const [at, kind, node, other, number, text] of run.events) {
    const event = { at, kind: run.words[kind], node: run.words[node], other: run.words[other], number, text: run.words[text] };
    if (!readPacket(event, under) && !readFrame(event)) readMark(event);
    readDown(event, dead);
  }
  for (const down of dead.values()) downs.push({ ...down, to: END });
}

function readPacket(event, under) {
  const { at, kind, node, other, number, text } = event;
  const known = under.get(number);
  const isSame = known && known.node === node && known.other === other;
  if ((kind === "sent" || kind === "close") && laneOf(node) >= 0 && laneOf(other) >= 0) {
    const packet = { type: "packet", node, other, from: laneOf(node), to: laneOf(other), sent: at, end: at, fate: "never",
      number, size: Number(text) || 0, isClose: kind === "close", kind, again: [], rank: packets.length };
    under.set(number, packet);
    packets.push(packet);
    return true;
  }
  if (!isSame || (kind !== "arrived" && kind !== "lost")) return false;
  if (known.fate === "arrived") known.again.push(at);  // It was duplicated under way.
  else Object.assign(known, { fate: kind, end: at });
  return true;
}

function readFrame(event) {
  const { at, kind, node, text } = event;
  if (!FRAMES.has(kind)) return false;
  if (kind === "calm" && at < calmAt) [calmAt, away] = [at, node];
  if (kind === "report") flags.push({ type: "flag", at, check: node, text, isBroken: false });
  if (kind === "violation" && !flags.some((flag) => flag.isBroken && flag.check === node)) {
    flags.push({ type: "flag", at, check: node, text, isBroken: true });
  }
  return true;
}

function readMark(event) {
  const act = ACTS[event.kind];
  const mark = { type: "mark", ...event, lane: laneOf(AT_RECEIVER.has(event.kind) ? event.other : event.node), act };
  if (act) {
    mark.message = `${event.node} ${event.other} ${event.number}`;
    if (!lives.has(mark.message)) lives.set(mark.message, []);
    lives.get(mark.message).push(mark);
  }
  marks.push(mark);
}

function readDown({ at, kind, node, text }, dead) {
  const lane = laneOf(node);
  if (lane < 0) return;
  if ((kind === "crash" || kind === "down") && !dead.has(lane)) dead.set(lane, { type: "down", lane, from: at, why: text });
  if (kind === "up" && dead.has(lane)) {
    downs.push({ ...dead.get(lane), to: at });
    dead.delete(lane);
  }
}

const STANDS = new Set(["freeze", "suspend"]);
function readFaults() {
  run.faults.forEach(([kind, at, for_s, who, amount], place) => {
    const whole = at + for_s;  // A frozen node stays so to its end; all other faults end with the storm.
    const to = Math.min(END, STANDS.has(kind) ? whole : Math.min(whole, Math.max(at, calmAt)));
    faults.push({ type: "fault", kind, at, for_s, who, amount, place, from: at, to, lanes: who.map(laneOf).filter((lane) => lane >= 0),
      began: at <= END && at < calmAt });
  });
  faults.sort((one, two) => one.from - two.from || one.place - two.place);
}

readEvents();
readFaults();
flags.sort((one, two) => one.at - two.at);

const LAST_S = 2;  // What was sent so late may have been under way when the run was over.

// A packet that never arrived is drawn as long as one usually takes.
const TYPICAL = (() => {
  const taken = packets.filter((one) => one.fate === "arrived").map((one) => one.end - one.sent).sort((a, b) => a - b);
  return taken.length ? Math.max(taken[taken.length >> 1], 1e-4) : 0.02;
})();
const reach = new Float64Array(packets.length);  // The latest end of any packet up to this one.
packets.forEach((packet, i) => {
  if (packet.fate === "never") {
    if (END - packet.sent < Math.max(LAST_S, 10 * TYPICAL)) packet.fate = "under way";
    packet.end = packet.sent + TYPICAL;
  }
  reach[i] = Math.max(packet.end, ...packet.again, i ? reach[i - 1] : 0);
});

// What can be switched on and off: packets, then the acts in the order of a message's life, then the rest by name.
const kinds = new Map();
for (const one of [...packets, ...marks]) kinds.set(one.kind, (kinds.get(one.kind) ?? 0) + 1);
const KIND_ORDER = ["sent", "close", "dial", ...Object.keys(ACTS), ...Object.keys(MACHINE)];
const kindNames = [...kinds.keys()].sort((one, two) => {
  const rank = (kind) => (KIND_ORDER.includes(kind) ? KIND_ORDER.indexOf(kind) : KIND_ORDER.length);
  return rank(one) - rank(two) || (one < two ? -1 : 1);
});

/** The first place in a sorted list whose `key` is at least `value`. */
function firstFrom(list, value, key) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) < value) low = middle + 1; else high = middle;
  }
  return low;
}
