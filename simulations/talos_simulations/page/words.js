// What a thing is, in words: a title, and rows of a name and a text.

const seconds = (value) => `${value.toFixed(value < 10 && value % 1 ? 6 : 3).replace(/(\.\d\d\d)0+$/, "$1")}\u00a0s`;
const short = (value) => (Math.abs(value) >= 1 || value === 0 ? `${+value.toFixed(3)}\u00a0s` : `${+(value * 1000).toFixed(3)}\u00a0ms`);
const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}\u2026` : text);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const percent = (share) => `${+(share * 100).toFixed(1)}\u00a0%`;
const list = (names, most = 6) => (names.length > most ? `${names.slice(0, most).join(", ")} and ${names.length - most} more` : names.join(", "));

// As in weather.py; a is `amount`, [x, y] is `who`.
const FAULT_WORDS = {
  partition: (a, who) => `${list(who)} cut off from all others, both ways`,
  one_way: (a, [x, y]) => `nothing from ${x} reaches ${y}`,
  loss: (a, [x, y]) => `each packet between ${x} and ${y} is lost with a chance of ${percent(a)}`,
  delay: (a, [x, y]) => `each packet between ${x} and ${y} takes ${short(a)} longer`,
  narrow: (a, [x, y]) => `between ${x} and ${y} pass ${+a.toFixed(1)} bytes a second each way`,
  jam: (a, [x, y]) => `everything between ${x} and ${y} is held, and let go at the end`,
  duplicate: (a, [x, y]) => `datagrams between ${x} and ${y} arrive twice with a chance of ${percent(a)}`,
  reorder: (a, [x, y]) => `datagrams between ${x} and ${y} overtake each other with a chance of ${percent(a)}`,
  reset: (a, [x, y]) => `every stream between ${x} and ${y} breaks`,
  forget: (a, [x, y]) => `streams between ${x} and ${y} are forgotten on the way`,
  cut: (a, [x, y]) => `the next segment from ${x} to ${y} ends half-way`,
  flip: (a, [x, y]) => `a bit of the next segment from ${x} to ${y} turns`,
  nat: (a, [x]) => `${x} can dial, and cannot be dialled`,
  kill: (a, [x]) => `the process of ${x} dies ${plural(a, "step")} of the scheduler later`,
  power: (a, [x]) => `${x} loses its power ${plural(a, "step")} of the scheduler later`,
  stop: (a, [x]) => `${x} is asked to stop, and starts again`,
  freeze: (a, [x]) => `${x} does nothing, while its clocks run on`,
  suspend: (a, [x]) => `${x} does nothing, and its monotonic clock stands still`,
  slow: (a, [x]) => `everything that ${x} asks its host for takes ${short(a)} longer`,
  idle: (a, [x]) => `the application of ${x} takes no messages`,
  full: (a, [x]) => `the disk of ${x} takes ${plural(Math.trunc(a), "byte")} more`,
  flush_error: (a, [x]) => `the next flush of ${x} fails`,
  slow_disk: (a, [x]) => `a flush of ${x} takes ${short(a)}`,
  rot: (a, [x]) => `a bit turns in the store of ${x}`,
  step: (a, [x]) => `the wall clock of ${x} jumps by ${short(a)}`,
  drift: (a, [x]) => `the clocks of ${x} run ${a} times as fast`,
  clone: (a, [x, y]) => `${y} comes back as a copy of ${x}`,
  old_snapshot: (a, [x]) => `${x} is put back to what its disk held before`,
};
const faultName = (kind) => kind.replace(/_/g, " ");
const faultWords = (fault) => FAULT_WORDS[fault.kind]?.(fault.amount, fault.who) ?? `${list(fault.who)}, amount ${fault.amount}`;

// What each kind is called on its switch, and in a title.
const KIND_WORDS = {
  sent: "packet", close: "close", dial: "dial",
  tried: "tried to send", accepted: "accepted", delivered: "delivered", refused: "refused", unsure: "unsure",
  handed: "handed out", done: "done", garbled: "garbled",
};
const kindWords = (kind) => KIND_WORDS[kind] ?? (faultName(kind) || "(no kind)");

const nodeName = (lane) => run.nodes[lane] ?? "";

function describe(thing) {
  switch (thing.type) {
    case "packet": return describePacket(thing);
    case "mark": return thing.act ? describeAct(thing) : describeOther(thing);
    case "fault": return describeFault(thing);
    case "flag": return { title: `${thing.isBroken ? "Violation" : "Report"}: ${thing.check}`, rows: [
      ["at", seconds(thing.at)], ["found", thing.text],
      ...(thing.isBroken ? [] : [["note", "this scenario does not demand it"]])] };
    case "down": return { title: `${nodeName(thing.lane)} is down`, rows: [
      ["from", seconds(thing.from)], ["until", thing.to >= END ? "the end of the run" : seconds(thing.to)],
      ["for", short(thing.to - thing.from)], ["why", downWords(thing)]] };
    default: return { title: thing.title, rows: thing.rows };
  }
}

const DOWN_WORDS = { kill: "process killed", power: "no power" };
const downWords = (down) => DOWN_WORDS[down.why] ?? (down.why || "nobody says why");

function describePacket(packet) {
  const rows = [["from", packet.node], ["to", packet.other], ["size", plural(packet.size, "byte")], ["sent", seconds(packet.sent)]];
  if (packet.fate === "arrived") rows.push(["arrived", seconds(packet.end)], ["took", short(packet.end - packet.sent)]);
  if (packet.fate === "lost") rows.push(["lost", seconds(packet.end)]);
  if (packet.fate === "never") rows.push(["arrived", "never, in this run"]);
  if (packet.fate === "under way") rows.push(["arrived", "not before the run was over"]);
  for (const at of packet.again) rows.push(["arrived again", seconds(at)]);
  return { title: `${packet.isClose ? "Close of a stream, packet" : "Packet"} ${packet.number}`, rows };
}

function describeAct(mark) {
  const rows = lives.get(mark.message).map((one) => [kindWords(one.kind), seconds(one.at) + (one === mark ? " \u25c2" : "")]);
  if (mark.text) rows.push(["text", mark.text]);
  return { title: `Message ${mark.number} from ${mark.node} to ${mark.other}`, rows };
}

function describeOther(mark) {
  const rows = [["at", seconds(mark.at)]];
  if (mark.node) rows.push(["node", mark.node]);
  if (mark.other) rows.push(["other", mark.other]);
  if (mark.number) rows.push(["number", String(mark.number)]);
  if (mark.text) rows.push(["text", mark.text]);
  return { title: kindWords(mark.kind), rows };
}

function describeFault(fault) {
  const rows = [["what", faultWords(fault)], ["who", list(fault.who, 12)], ["at", seconds(fault.at)], ["for", short(fault.for_s)]];
  if (!fault.began) rows.push(["note", "the storm was over by then: it never began"]);
  else if (fault.to < fault.at + fault.for_s) rows.push(["ended", `${seconds(fault.to)}, with the storm or the run`]);
  return { title: `Fault: ${faultName(fault.kind)}`, rows };
}

/** What the search looks at. */
function searchText(thing) {
  switch (thing.type) {
    case "packet": return `${thing.isClose ? "close" : "sent packet"} ${thing.node} ${thing.other} #${thing.number} ${thing.size} ${thing.fate}`;
    case "mark": return `${thing.kind} ${thing.node} ${thing.other} #${thing.number} ${thing.text}`;
    case "fault": return `fault ${thing.kind} ${faultName(thing.kind)} ${thing.who.join(" ")} ${thing.amount}`;
    default: return `violation ${thing.check} ${thing.text}`;
  }
}
