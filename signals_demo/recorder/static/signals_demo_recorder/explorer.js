// The page of the flight recorder: it takes entries from the event stream, or from a
// recording inside of the page, and shows them as a tree.
//
// All that it says stands in the template, in the element #texts. Data become text
// nodes and never markup. Styles are set as properties only, as a strict policy asks.
"use strict";

(() => {
  // The page keeps no more than this; the oldest go first.
  const MAX_ENTRIES = 2_000;
  const MAX_NODES = 20_000;
  const MAX_WAITING_TEXT = 10_000_000; // characters, of entries that wait to be taken
  const MAX_FINDINGS = 500;
  const MAX_FINDINGS_OF_ONE = 20;
  const MAX_NOTICES = 4;
  // Milliseconds of a frame that what arrived may take; how long it waits after a click
  // or a key, which is to be answered first; for a button of the mouse to be let go, as
  // a click is none if the line under it has moved; and at most, whoever clicks on.
  const BUDGET = 12;
  const COURTESY = 120;
  const PRESS = 600;
  const LONGEST_WAIT = 1_000;
  // Larger trees begin folded, as all do while many arrive.
  const SMALL = 60;
  const MANY_WAITING = 200;
  // How many lines of one request and of one node are shown at once, and cards.
  const LINES = 60;
  // In a flood, fewer are drawn, once in a while; it lasts until fewer come at once.
  const LINES_IN_FLOOD = 20;
  const FLOOD = 40;
  const CALM_AFTER = 500;
  const DRAW_EVERY = 1_000;
  const CARDS = 3;
  const NEWS_EVERY = 2_000;
  const ASK_AFTER = 150;
  const CONNECT_AGAIN_AFTER = 5_000;
  // How long what an address or an action names may take to arrive.
  const PATIENCE = 2_000;
  const FLOODS = new Set(["pre_init", "post_init", "class_prepared"]);
  const ORDERS = new Set(["newest", "oldest", "slowest", "sql"]);

  const byId = (id) => document.getElementById(id);
  const tree = byId("tree");

  function readJSON(id) {
    const element = byId(id);
    return element && JSON.parse(element.textContent);
  }

  const recording = readJSON("recording");
  const config = readJSON("config");

  // Texts and elements

  const texts = new Map();
  for (const { dataset, textContent } of byId("texts").content.children) {
    texts.set(dataset.key, { one: dataset.one, other: textContent });
  }
  const language = document.documentElement.lang || "en";
  const plurals = new Intl.PluralRules(language);
  const integers = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat(language, {
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });

  /** Return a text of the template; n decides between one and many. */
  function say(key, values = {}) {
    const { one, other } = texts.get(key);
    const text = one && plurals.select(values.n) === "one" ? one : other;
    return text.replace(/\{(\w+)\}/g, (_, name) => {
      const value = values[name];
      return typeof value === "number" ? integers.format(value) : String(value);
    });
  }

  /** Return an element; texts among its children stay texts. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (value !== null && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== ""));
    return element;
  }

  function button(label, press, attributes) {
    const element = make("button", { type: "button", ...attributes }, label);
    element.addEventListener("click", press);
    return element;
  }

  /** Return a link, or nothing where the address is none of a site. */
  function link(address, label) {
    if (!/^https?:\/\//i.test(address ?? "")) return null;
    return make("a", { href: address, rel: "noreferrer" }, label);
  }

  const textOf = (element) => element.textContent;
  const chip = (label, kind = "") => make("span", { class: `chip ${kind}` }, label);

  function duration(nanoseconds) {
    if (nanoseconds < 1e6) return say("microseconds", { value: Math.round(nanoseconds / 1e3) });
    const format = nanoseconds < 1e8 ? tenths : integers;
    return say("milliseconds", { value: format.format(nanoseconds / 1e6) });
  }

  // Nodes: entries as the export writes them, and the receivers inside of emissions

  const kindOf = (node) => node.type ?? "receiver";
  const last = (dotted) => dotted.slice(dotted.lastIndexOf(".") + 1);

  function childrenOf(node) {
    if (node.type === "emission") return node.receivers;
    return node.type === "query" ? [] : node.entries;
  }

  const isUnheard = (node) => node.type === "emission" && !node.receivers.length;
  // Django sends it for each row or model, and nobody received it.
  const isFlood = (node) => isUnheard(node) && FLOODS.has(last(node.signal));

  function shownChildren(node) {
    const children = childrenOf(node);
    return view.init === "hide" ? children.filter((child) => !isFlood(child)) : children;
  }

  function* within(node) {
    const waiting = [node];
    while (waiting.length) {
      const next = waiting.pop();
      yield next;
      waiting.push(...childrenOf(next));
    }
  }

  /** Return a described argument as people would write it. */
  function short(value) {
    if (value === true) return "True";
    if (value === false) return "False";
    if (value === null) return "None";
    if (Array.isArray(value)) return `[${value.map(short).join(", ")}]`;
    if (typeof value === "object") {
      const parts = Object.entries(value).map(([key, item]) => `${key}: ${short(item)}`);
      return `{${parts.join(", ")}}`;
    }
    return String(value);
  }

  /** Return a text without the modules before names, which are told elsewhere. */
  const brief = (text) => text.replace(/\b(?:[a-z_]\w*\.){2,}(?=\w)/g, "");

  function saysNothing(value) {
    if (value === null || value === false) return true;
    return typeof value === "object" && !Object.keys(value).length;
  }

  /** Return whom an emission is about, and what else says most about it. */
  function about(emission) {
    const { instance, ...others } = emission.arguments;
    const subject = instance || emission.sender;
    const extra = Object.entries(others)
      .filter(([name]) => name !== "args" && name !== "kwargs")
      .filter(([name, value]) => !(name === "using" && value === "default"))
      .filter(([, value]) => !saysNothing(value) && value !== subject)
      .map(([name, value]) => (value === true ? name : `${name}=${short(value)}`));
    return { subject: subject ? brief(short(subject)) : "", extra: extra.join(" ") };
  }

  /** Return a statement without its columns, and its names without decoration. */
  function shortSql(sql) {
    const found =
      /^(SELECT)(?: DISTINCT)? .+? (FROM .*)$/s.exec(sql) ??
      /^(INSERT INTO \S+) \(.*$/s.exec(sql) ??
      /^(UPDATE \S+ SET) .*?(?: (WHERE .*))?$/s.exec(sql);
    let text = found ? found.slice(1).filter(Boolean).join(" … ") : sql;
    const table = / (?:FROM|UPDATE) (["`])(\w+)\1/.exec(` ${text}`);
    if (table) text = text.replaceAll(`${table[1]}${table[2]}${table[1]}.`, "");
    return text.replace(/(["`])(\w+)\1/g, "$2");
  }

  function outcomeOf(call) {
    if (call.muted) return say("muted");
    if (call.started === null) return say("not_reached");
    return call.raised ? say("raised", { name: last(call.raised) }) : say("returned");
  }

  /** Return the receiver of the same emission that raised before this one's turn. */
  function culprit(call) {
    return call.parent.receivers.find((each) => each.raised);
  }

  const connectionOf = (call) => inventory.get(`${call.parent.signal} ${call.receiver}`);

  // Records: what the page knows of each entry that is inside of no other

  const records = new Map(); // by key, in the order of their arrival
  const nodes = new Map(); // by key
  const findings = new Map(); // lists, by the key of the node they are about
  const told = new Map(); // keys of nodes, by the key of a finding about them
  const inventory = new Map(); // connections, by signal and receiver
  const cleared = new Set(); // keys of entries that may be sent again, and stay away
  const dropped = new Map(); // how many found no room on the server, by name
  let discarded = 0;

  const keyOf = (process, number) => `${process}.${number}`;

  /** Give each node its key, its parent and its cost, and return the record. */
  function survey(entry, process) {
    const words = new Set([entry.within?.label ?? ""]);
    const record = {
      key: keyOf(process, entry.number),
      process,
      entry,
      nodes: [],
      signals: 0,
      errors: 0,
      floods: 0,
      open: new Set(),
      element: null,
      group: null,
    };
    const waiting = [[entry, null, 0]];
    while (waiting.length) {
      const [node, parent, index] = waiting.pop();
      const level = (parent?.level ?? 0) + 1;
      Object.assign(node, { record, parent, level, queries: 0, lines: LINES, more: null });
      node.key = node.type ? keyOf(process, node.number) : `${parent.key}:${index}`;
      record.nodes.push(node);
      count(record, node, words);
      const children = childrenOf(node);
      for (let at = children.length - 1; at >= 0; at -= 1) waiting.push([children[at], node, at]);
    }
    record.haystack = [...words].join("\n").toLowerCase();
    return record;
  }

  function count(record, node, words) {
    words.add(node.signal ?? node.receiver ?? node.sql ?? node.function);
    if (node.type === "query") {
      for (let above = node; above; above = above.parent) above.queries += 1;
    } else if (node.type === "emission") {
      words.add(node.sender ?? "");
      record.signals += node.times;
      record.floods += isFlood(node) ? 1 : 0;
    } else if (!node.type && node.raised) {
      record.errors += node.times;
    }
  }

  /** Take an entry into the page, in the place of an earlier one of its number. */
  function take({ entry, process }) {
    if (cleared.has(keyOf(process, entry.number))) return;
    const record = survey(entry, process);
    const earlier = records.get(record.key);
    if (earlier) {
      record.open = earlier.open;
    } else {
      news.signals += record.signals;
      news.errors += record.errors;
      suggest(record);
      if (record.nodes.length <= SMALL && queue.length - taken < MANY_WAITING) {
        record.open = new Set(record.nodes.map((node) => node.key));
      }
    }
    record.shown = matches(record);
    for (const { key } of earlier?.nodes ?? []) nodes.delete(key);
    for (const node of record.nodes) {
      nodes.set(node.key, node);
      if (findings.has(node.key)) changed.findings = true;
    }
    nodeCount += record.nodes.length - (earlier?.nodes.length ?? 0);
    records.set(record.key, record);
    if (earlier) replace(earlier, record);
    else place(record);
    if (nodes.get(selected)?.record === record) showDetail();
    while (records.size > MAX_ENTRIES || (nodeCount > MAX_NODES && records.size > 1)) discard();
  }

  let nodeCount = 0;

  function discard() {
    const [oldest] = records.values();
    remove(oldest);
    discarded += 1;
  }

  function remove(record) {
    records.delete(record.key);
    nodeCount -= record.nodes.length;
    for (const { key } of record.nodes) {
      nodes.delete(key);
      if (findings.delete(key)) changed.findings = true;
    }
    erase(record);
    leave(record);
  }

  // Groups: the records of one request, or those between two that are of none

  const groups = new Map();
  const whole = { lines: LINES, more: null }; // the tree
  let runs = 0;
  let newestGroup = null;

  const isFlat = () => view.order === "slowest" || view.order === "sql";
  const hides = (node) => view.init === "hide" && isFlood(node);
  const isVisible = ({ shown, entry }) => shown && !hides(entry);
  const cost = ({ entry }) => (view.order === "sql" ? entry.queries : entry.duration);
  const visible = () => [...records.values()].filter(isVisible);
  const byCost = () => visible().sort((one, other) => cost(other) - cost(one));

  function groupOf(record) {
    const { process } = record;
    const request = record.entry.within;
    let key = request && `${process}/${request.id}`;
    if (!request) {
      const goesOn = newestGroup && !newestGroup.request && newestGroup.process === process;
      key = goesOn ? newestGroup.key : `${process}/-${(runs += 1)}`;
    }
    if (!groups.has(key)) {
      newestGroup = { key, request, process, records: [], lines: LINES, element: null, more: null };
      groups.set(key, newestGroup);
    }
    return groups.get(key);
  }

  function place(record) {
    record.group = groupOf(record);
    const others = record.group.records;
    let at = others.length;
    while (at > 0 && others[at - 1].entry.number > record.entry.number) at -= 1;
    others.splice(at, 0, record);
    changed.groups.add(record.group);
  }

  function replace(earlier, record) {
    const { group } = earlier;
    record.group = group;
    group.records[group.records.indexOf(earlier)] = record;
    erase(earlier);
    changed.groups.add(group);
  }

  function leave(record) {
    const { group } = record;
    group.records.splice(group.records.indexOf(record), 1);
    changed.groups.add(group);
    if (group.records.length) return;
    groups.delete(group.key);
    if (newestGroup === group) newestGroup = null;
  }

  /** Give up the lines of a record; they stay, and keep the focus, until all is drawn. */
  function erase(record) {
    if (!record.element) return;
    for (const { key } of record.nodes) items.delete(key);
    record.element = null;
  }

  /** Bring the lines on the page up to date. */
  function draw() {
    drawnAt = performance.now();
    room = isFlooded() ? LINES_IN_FLOOD : room + LINES_IN_FLOOD;
    if (room > LINES) room = Infinity;
    const focused = tree.contains(document.activeElement);
    held = nodes.get(nodeOf.get(document.activeElement)?.key)?.record;
    sync(tree, isFlat() ? drawSorted() : drawGroups());
    if (stop?.isConnected && !stop.closest("[hidden]")) {
      // What is moved loses the focus.
      if (focused && !tree.contains(document.activeElement)) stop.focus();
      return;
    }
    const same = nodes.get(stop && nodeOf.get(stop)?.key);
    moveStop((same && reveal(same)) ?? walker(tree).firstChild(), focused);
  }

  /** Put other children into an element; what had the focus or was unfolded is so again. */
  function refill(element, children) {
    const open = [...element.querySelectorAll("[open] > summary")].map(textOf);
    const focused = element.contains(document.activeElement) && document.activeElement;
    element.replaceChildren(...children);
    for (const each of element.querySelectorAll("summary")) {
      each.parentElement.open = open.includes(textOf(each));
    }
    if (!focused || focused.isConnected) return;
    const alike = [...element.querySelectorAll(focused.localName)];
    (alike.find((each) => textOf(each) === textOf(focused)) ?? alike[0])?.focus();
  }

  /** Have an element hold these children in this order, and touch no others. */
  function sync(element, wanted) {
    const kept = new Set(wanted);
    for (const child of [...element.children]) if (!kept.has(child)) child.remove();
    let at = element.firstChild;
    for (const child of wanted) {
      if (child === at) at = at.nextSibling;
      else element.insertBefore(child, at);
    }
  }

  /** Return the lines of some records, having given up those of the others. */
  function linesOf(shown, all) {
    const kept = new Set(shown);
    for (const record of all) if (!kept.has(record)) erase(record);
    return shown.map((record) => (record.element ??= item(record.entry)));
  }

  /** Return the line that stands for more of them, if there are more. */
  function moreOf(holder, left) {
    if (left <= 0) return [];
    holder.more ??= moreLine(holder);
    holder.more.textContent = say("more", { n: left });
    return [holder.more];
  }

  let room = Infinity; // after a flood it grows from one frame to the next

  let held = null; // the record of the line that has the focus, which no others push out

  /** Return the last ones that there is room for, and before them the one that is held. */
  function fitting(all, { lines }) {
    const left = all.length - Math.min(lines, room);
    return all.filter((each, at) => at >= left || each === held || each === held?.group);
  }

  /** Return lines or groups, and the line that stands for more of them in its place. */
  function withMore(elements, holder, left) {
    const isApart = elements.length > Math.min(holder.lines, room);
    return elements.toSpliced(isApart ? 1 : 0, 0, ...moreOf(holder, left));
  }

  function drawSorted() {
    const all = byCost().reverse();
    scale(tree, Math.max(1, ...all.map(({ entry }) => entry.duration)));
    const lines = linesOf(fitting(all, whole), records.values());
    return withMore(lines, whole, all.length - lines.length).reverse();
  }

  function drawGroups() {
    const all = [...groups.values()].filter((group) => group.records.some(isVisible));
    const shown = new Set(fitting(all, whole));
    for (const group of groups.values()) {
      if (!shown.has(group)) group.records.forEach(erase);
      else if (changed.all || !group.element || changed.groups.has(group)) drawGroup(group);
    }
    const shownGroups = [...shown].map((group) => group.element);
    const elements = withMore(shownGroups, whole, all.length - shown.size);
    return view.order === "newest" ? elements.reverse() : elements;
  }

  function drawGroup(group) {
    if (!group.element) {
      const id = `g-${group.key}`;
      group.heading = make("div", { role: "none", class: "heading", id });
      group.element = make("div", { role: "group", class: "request", "aria-labelledby": id });
    }
    const all = group.records.filter(isVisible);
    const lines = linesOf(fitting(all, group), group.records);
    sync(group.element, [group.heading, ...withMore(lines, group, all.length - lines.length)]);
    sumUp(group);
  }

  function sumUp({ element, heading, request, records: all }) {
    const shown = all.filter((record) => record.shown);
    const total = (of) => shown.reduce((sum, record) => sum + of(record), 0);
    const errors = total((record) => record.errors);
    scale(element, Math.max(1, ...shown.map(({ entry }) => entry.duration)));
    const parts = [
      say("signals", { n: total((record) => record.signals) }),
      say("queries", { n: total(({ entry }) => entry.queries) }),
      duration(total(({ entry }) => entry.duration)),
    ];
    heading.replaceChildren(
      make("span", { class: "request-name" }, request?.label ?? say("outside")),
      " ",
      make("span", { class: "request-cost" }, [
        parts.join(" · "),
        errors ? " · " : "",
        errors ? make("span", { class: "bad" }, say("errors", { n: errors })) : "",
      ]),
    );
  }

  /** Say how long the longest bar is; if it changes, all are drawn anew. */
  function scale(element, longest) {
    if (element.dataset.longest === String(longest)) return;
    element.dataset.longest = longest;
    element.style.setProperty("--longest", longest);
  }

  // The tree

  const items = new Map(); // elements that were made, by the key of their node
  const nodeOf = new WeakMap();
  let selected = "";
  let stop = null; // the one line that the Tab key stops at

  function item(node) {
    const id = `row-${node.key}`;
    const element = make("div", {
      role: "treeitem",
      class: classesOf(node),
      "aria-level": node.level,
      "aria-selected": String(node.key === selected),
      "aria-labelledby": id,
      tabindex: "-1",
    });
    element.append(row(node, id));
    nodeOf.set(element, node);
    items.set(node.key, element);
    if (shownChildren(node).length) {
      element.setAttribute("aria-expanded", "false");
      if (node.record.open.has(node.key)) unfold(element);
    }
    return element;
  }

  function classesOf(node) {
    const found = ["node", kindOf(node)];
    if (node.raised) found.push("failed");
    if (kindOf(node) === "receiver" && node.started === null) found.push("unreached");
    if (node.fate === "rolled back") found.push("undone");
    if (isUnheard(node)) found.push("unheard");
    return found.join(" ");
  }

  function row(node, id) {
    const element = make("div", { class: "row", id, role: "none" });
    element.style.setProperty("--level", node.level - 1);
    element.append(
      make("span", { class: "number" }, node.number ? `${node.number}` : ""),
      " ",
      make("span", { class: "twisty", "aria-hidden": "true" }),
      make("span", { class: "body" }, [
        make("span", { class: "what" }, label(node)),
        " ",
        make("span", { class: "marks" }, marks(node)),
      ]),
      " ",
      bar(node),
      make("span", { class: "time" }, node.started === null ? "" : duration(node.duration)),
    );
    return element;
  }

  function label(node) {
    if (node.type === "emission") {
      const { subject, extra } = about(node);
      return [
        make("b", { class: "signal" }, last(node.signal)),
        " ",
        subject,
        " ",
        make("span", { class: "extra" }, extra),
      ];
    }
    if (node.type === "query") return [make("code", null, shortSql(node.sql))];
    if (node.type === "on_commit") {
      return [make("b", null, "on_commit"), " ", make("code", null, node.function.split(": ")[0])];
    }
    // Names first: the modules of many are the same.
    const name = last(node.receiver);
    const module = node.receiver.slice(0, -name.length - 1);
    return [make("code", null, make("b", null, name)), " ", make("code", { class: "extra" }, module)];
  }

  /** Return what a reader must know of a node, in a word or two each. */
  function marks(node) {
    const found = [];
    const mark = (text, kind) => found.push(chip(text, kind), " ");
    if (node.times > 1) mark(say("times", { n: node.times }));
    if (node.queries && node.type !== "query") mark(say("queries", { n: node.queries }), "sql");
    if (kindOf(node) === "receiver") {
      const connection = connectionOf(node);
      // Of a receiver that was not reached, the recording knows no more than the name.
      if (node.async || connection?.async) mark(say("async"));
      if (connection?.weak) mark(say("weak"), "faint");
      if (node.raised || node.muted || node.started === null) {
        mark(outcomeOf(node), node.raised ? "bad" : "off");
      }
    } else if (node.raised) {
      mark(say("raised", { name: last(node.raised) }), "bad");
    }
    if (isUnheard(node)) mark(say("unheard"), "off");
    if (node.type === "on_commit" && node.started === null) mark(say("hook_not_run"), "off");
    if (node.fate === "rolled back") mark(say("rolled_back"), "stamp");
    const n = node.parent ? findingsOf(node).length : findingsInside(node).length;
    if (n) mark(say("findings", { n }), "finding");
    return found;
  }

  function bar(node) {
    const element = make("span", { class: "bar", "aria-hidden": "true" });
    if (node.started === null) return element;
    const line = make("i");
    line.style.setProperty("--at", Math.max(node.started - node.record.entry.started, 0));
    line.style.setProperty("--took", node.duration);
    element.append(line);
    return element;
  }

  /** Draw the line of a node again, after something became known. */
  function redraw(key) {
    const element = items.get(key);
    if (element) element.firstElementChild.replaceWith(row(nodes.get(key), `row-${key}`));
  }

  function unfold(element) {
    const node = nodeOf.get(element);
    if (!element.hasAttribute("aria-expanded")) return;
    node.record.open.add(node.key);
    element.setAttribute("aria-expanded", "true");
    let group = element.lastElementChild;
    if (group.getAttribute("role") !== "group") {
      group = make("div", { role: "group" });
      element.append(group);
      fill(group, node);
    }
    group.hidden = false;
  }

  function fold(element) {
    const node = nodeOf.get(element);
    node.record.open.delete(node.key);
    element.setAttribute("aria-expanded", "false");
    element.lastElementChild.hidden = true;
    if (element !== stop && element.contains(stop)) moveStop(element, false);
  }

  /** Have an unfolded line hold those of its first children, old ones where they are. */
  function fill(group, node) {
    const children = shownChildren(node);
    const lines = children.slice(0, node.lines).map((child) => {
      const line = items.get(child.key);
      return nodeOf.get(line) === child ? line : item(child);
    });
    sync(group, [...lines, ...moreOf(node, children.length - lines.length)]);
  }

  const holderOf = new WeakMap(); // the tree, requests and nodes, by what stands for more

  function moreLine(holder) {
    const level = (holder.level ?? 0) + 1;
    const more = make("div", {
      role: "treeitem",
      class: "node more",
      "aria-level": level,
      "aria-selected": "false",
      tabindex: "-1",
    });
    more.style.setProperty("--level", level - 1);
    holderOf.set(more, holder);
    return more;
  }

  /** Show more lines of what holds them, and return the first of these. */
  function showMore(more) {
    const holder = holderOf.get(more);
    const isFirst = holder.records || (holder === whole && view.order === "oldest");
    const next = isFirst ? more.nextElementSibling : more.previousElementSibling;
    holder.lines += LINES;
    if (holder.record) fill(more.parentElement, holder);
    else {
      changed.all = true;
      update();
    }
    const found = isFirst ? next.previousElementSibling : next.nextElementSibling;
    if (found?.matches("[role=treeitem]")) return found;
    // In a flood the line beside it may have gone meanwhile.
    return (found ?? tree).querySelector("[role=treeitem]");
  }

  const isMore = (element) => element.classList.contains("more");

  function toggle(element) {
    if (element.getAttribute("aria-expanded") === "true") fold(element);
    else unfold(element);
  }

  function moveStop(element, focus) {
    stop?.setAttribute("tabindex", "-1");
    stop = element;
    stop?.setAttribute("tabindex", "0");
    if (focus) stop?.focus();
  }

  function walker(from) {
    const { FILTER_ACCEPT, FILTER_REJECT, FILTER_SKIP } = NodeFilter;
    const found = document.createTreeWalker(tree, NodeFilter.SHOW_ELEMENT, (element) => {
      if (element.hidden || element.classList.contains("row")) return FILTER_REJECT;
      return element.getAttribute("role") === "treeitem" ? FILTER_ACCEPT : FILTER_SKIP;
    });
    found.currentNode = from;
    return found;
  }

  function lastItem() {
    const found = walker(tree);
    let element = null;
    while (found.lastChild()) element = found.currentNode;
    return element;
  }

  /** Return the line that a key leads to, and do what else it does. */
  function destination(key, element) {
    const expanded = element.getAttribute("aria-expanded");
    switch (key) {
      case "ArrowDown":
        return walker(element).nextNode();
      case "ArrowUp":
        return walker(element).previousNode();
      case "Home":
        return walker(tree).firstChild();
      case "End":
        return lastItem();
      case "ArrowRight":
        if (expanded === "true") return walker(element).firstChild();
        unfold(element);
        return element;
      case "ArrowLeft":
        if (expanded === "true") fold(element);
        else return element.parentElement.closest("[role=treeitem]") ?? element;
        return element;
      default:
        return null;
    }
  }

  tree.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const element = event.target.closest("[role=treeitem]");
    if (!element) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      go(isMore(element) ? showMore(element) : element, "push");
      return;
    }
    const next = destination(event.key, element);
    if (next || event.key.startsWith("Arrow")) event.preventDefault();
    if (next) go(next, "replace");
  });

  tree.addEventListener("click", (event) => {
    const element = event.target.closest("[role=treeitem]");
    if (!element) return;
    if (event.target.classList.contains("twisty")) toggle(element);
    go(isMore(element) ? showMore(element) : element, "push");
  });

  tree.addEventListener("dblclick", (event) => {
    const element = event.target.closest("[role=treeitem]");
    if (event.target.classList.contains("twisty")) return; // Each click has toggled it.
    if (element?.hasAttribute("aria-expanded")) toggle(element);
  });

  /** Focus a line, and select what it stands for. */
  function go(element, how) {
    moveStop(element, true);
    if (!isMore(element)) select(nodeOf.get(element).key, how);
  }

  /** Have a record among those that have lines, unless a filter hides it. */
  function bring(record) {
    if (changed.all || !record.element) update();
    if (record.element || !isVisible(record)) return;
    const { group } = record;
    group.lines = Math.max(group.lines, group.records.length - group.records.indexOf(record));
    const all = isFlat() ? byCost() : [...groups.values()].reverse();
    whole.lines = Math.max(whole.lines, all.indexOf(isFlat() ? record : group) + 1);
    changed.all = true;
    update();
  }

  /** Return the line of a node whose parent is unfolded, making it if need be. */
  function lineOf(node) {
    const { key, parent } = node;
    if (parent && !items.has(key)) {
      parent.lines = Math.max(parent.lines, shownChildren(parent).indexOf(node) + 1);
      fill(items.get(parent.key).lastElementChild, parent);
    }
    return items.get(key);
  }

  /** Return the line of a node, having unfolded all above it; null if it is hidden. */
  function reveal(node) {
    if (!node.record.element || hides(node)) return null;
    const above = [];
    for (let each = node.parent; each; each = each.parent) above.unshift(each);
    for (const each of above) unfold(lineOf(each));
    return lineOf(node);
  }

  function select(key, how) {
    items.get(selected)?.setAttribute("aria-selected", "false");
    selected = key;
    items.get(selected)?.setAttribute("aria-selected", "true");
    document.body.classList.toggle("has-selection", Boolean(key));
    if (how) write(how);
    showDetail();
  }

  /** Select a node from elsewhere on the page. */
  function visit(key, how, focus) {
    const node = nodes.get(key);
    if (!node) return false;
    if (hides(node) || (node.parent && hides(node.record.entry))) setInit("show");
    bring(node.record);
    const element = reveal(node);
    if (element) moveStop(element, focus);
    select(key, how);
    // What is drawn for the first time takes another height than was foreseen.
    requestAnimationFrame(() => items.get(key)?.firstElementChild.scrollIntoView({ block: "nearest" }));
    return true;
  }

  // Findings

  const findingsOf = (node) => findings.get(node.key) ?? [];
  let allCards = false;

  function findingsInside(node) {
    if (!findings.size) return [];
    const found = [];
    for (const each of within(node)) found.push(...findingsOf(each));
    return found;
  }

  /** Take a finding into the page, in the place of what was said of it before. */
  function takeFinding(finding, process) {
    const owner = keyOf(process, finding.number);
    const id = `${process} ${finding.key}`;
    // What an action answers has no key, and is told with one a moment later.
    const isSame = ({ kind, key, message }) =>
      kind === finding.kind && (message === finding.message || (key && key === finding.key));
    const before = told.get(id) ?? owner;
    if (before !== owner) findings.set(before, findings.get(before)?.filter((each) => !isSame(each)) ?? []);
    const list = findings.get(owner) ?? [];
    const at = list.findIndex(isSame);
    list.splice(at < 0 ? list.length : at, 1, { ...finding, about: owner });
    findings.set(owner, list.slice(-MAX_FINDINGS_OF_ONE));
    shorten(findings, MAX_FINDINGS);
    if (finding.key) shorten(told.set(id, owner), MAX_FINDINGS);
    changed.findings = true;
    for (const key of [before, owner]) shorten(changed.told.add(key), MAX_FINDINGS);
  }

  function shorten(found, most) {
    if (found.size > most) found.delete(found.keys().next().value);
  }

  /** Show what was told of nodes since the last time. */
  function showFindings() {
    const owners = [...changed.told].map((key) => nodes.get(key)).filter(Boolean);
    for (const key of new Set(owners.flatMap((node) => [node.key, node.record.key]))) redraw(key);
    const shown = nodes.get(selected)?.record;
    if (owners.some(({ record }) => record === shown)) showDetail();
    updateFindings();
    changed.told.clear();
    changed.findings = false;
  }

  /** Return the card of a finding above the tree, where it leads to its entry. */
  function shortCard(finding, times) {
    return make("div", { class: "card short" }, [
      toNode(finding.about, brief(finding.message)),
      times > 1 ? " " : "",
      times > 1 ? chip(say("times", { n: times })) : "",
    ]);
  }

  function card(finding) {
    return make("div", { class: "card" }, [
      make("p", null, finding.message),
      finding.hint ? make("p", null, finding.hint) : "",
      make("p", { class: "card-links" }, [
        toNode(finding.about, say("to_entry", { n: String(finding.number) })),
        " ",
        link(finding.documentation, say("documentation")),
      ]),
    ]);
  }

  function updateFindings() {
    const same = new Map();
    for (const [key, list] of findings) {
      if (!nodes.get(key)?.record.shown) continue;
      for (const each of list) {
        const text = `${each.kind} ${each.message}`;
        same.set(text, [...(same.get(text) ?? []), each]);
      }
    }
    const lists = [...same.values()].reverse();
    const shown = allCards ? lists : lists.slice(0, CARDS);
    const cards = shown.map((list) => shortCard(list.at(-1), list.length));
    const left = lists.length - shown.length;
    if (left) cards.push(button(say("more_findings", { n: left }), () => {
      allCards = true;
      updateFindings();
    }));
    refill(byId("findings"), cards);
  }

  // The selected entry

  const details = new Map(Object.entries(recording?.details ?? {}));
  let asking = 0;

  function showDetail() {
    clearTimeout(asking);
    const node = nodes.get(selected);
    if (!node) {
      if (!selected) tellDetail(say("nothing_selected"), []);
      return;
    }
    drawDetail(node);
    const emission = node.type === "emission" ? node : node.parent;
    if (emission?.type === "emission" && !details.has(detailKey(emission)) && config) {
      asking = setTimeout(() => ask(emission), ASK_AFTER);
    }
  }

  const detailKey = (emission) => `${emission.signal} ${emission.sender ?? ""}`;

  /** Ask the server about a signal and its sender. */
  async function ask(emission) {
    const query = new URLSearchParams({ signal: emission.signal, sender: emission.sender ?? "" });
    const detail = await getJSON(`${config.emission}?${query}`);
    if (!detail) return;
    details.set(detailKey(emission), detail);
    showDetail();
  }

  function tellDetail(heading, parts) {
    byId("detail-heading").replaceChildren(...[heading].flat());
    refill(byId("detail-body"), parts.flat(Infinity).filter(Boolean));
  }

  function drawDetail(node) {
    const partsOf = { emission: sending, query: statement, on_commit: hook, receiver };
    const close = button(say("close"), closeDetail, { class: "close" });
    const cards = findingsInside(node).map((each) => card(each));
    const marked = make("p", { class: "marks" }, ...marks(node));
    tellDetail(label(node), [close, marked, partsOf[kindOf(node)](node, cards)]);
  }

  function closeDetail() {
    const element = items.get(selected);
    select("", "push");
    (element ?? stop)?.focus();
  }

  /** Return a list of names and values, without those that are empty. */
  function facts(...pairs) {
    const kept = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
    if (!kept.length) return null;
    return make("dl", { class: "facts" }, kept.flatMap(([name, value]) => [
      make("dt", null, name),
      make("dd", null, value),
    ]));
  }

  const subheading = (text) => make("h3", null, text);
  const code = (text) => make("code", null, text);

  function timing(node) {
    return [
      [say("took"), node.started === null ? null : duration(node.duration)],
      [say("sql"), node.queries && node.type !== "query" ? say("queries", { n: node.queries }) : null],
      [say("transaction"), node.fate ? say(`fate_${node.fate.replace(" ", "_")}`) : null],
      [say("request"), node.record.entry.within?.label],
      [say("process"), node.record.process],
    ];
  }

  function toNode(key, ...children) {
    return button(children, () => visit(key, "push", true), { class: "link" });
  }

  function sending(node, cards) {
    const detail = details.get(detailKey(node));
    return [
      receiversOf(node),
      othersOf(node, detail),
      cards,
      argumentsOf(node),
      sourcesOf(node, detail),
      subheading(say("facts")),
      facts(
        [say("signal"), code(node.signal)],
        [say("sender"), node.sender === null ? null : code(node.sender)],
        [say("method"), code(`${node.method}()`)],
        [say("sent_from"), node.caller && code(node.caller)],
        [say("thread"), node.thread],
        [say("task"), node.task],
        ...timing(node),
        [say("documentation"), link(detail?.documentation, say("documentation_of", { name: last(node.signal) }))],
      ),
    ];
  }

  function receiversOf(node) {
    const ran = node.receivers.filter((call) => call.started !== null);
    const lines = ran.map((call) =>
      make("li", null, [
        toNode(call.key, ...label(call)),
        " ",
        ...marks(call),
        make("span", { class: "time" }, duration(call.duration)),
        make("span", { class: "place" }, call.place),
      ]),
    );
    return [subheading(say("ran", { n: ran.length })), lines.length ? make("ul", null, lines) : null];
  }

  /** Return who did not run, and why. */
  function othersOf(node, detail) {
    const lines = node.receivers
      .filter((call) => call.started === null)
      .map((call) => make("li", null, [toNode(call.key, ...label(call)), " ", reason(call)]));
    const called = new Set(node.receivers.map((call) => call.receiver));
    for (const each of detail?.receivers ?? []) {
      if (!each.verdict || called.has(each.name)) continue;
      const name = make("code", { title: each.name }, brief(each.name) || say("gone"));
      lines.push(make("li", null, [name, " ", make("span", { class: "reason" }, each.verdict)]));
    }
    if (!lines.length) return null;
    return [subheading(say("did_not_run", { n: lines.length })), make("ul", { class: "others" }, lines)];
  }

  function reason(call) {
    const before = culprit(call);
    const why = call.muted
      ? say("why_muted")
      : before
        ? say("why_raised", { name: last(before.receiver), error: last(before.raised) })
        : say("why_unknown");
    return make("span", { class: "reason" }, why);
  }

  function argumentsOf(node) {
    const pairs = Object.entries(node.arguments).map(([name, value]) => [code(name), code(short(value))]);
    return pairs.length ? [subheading(say("arguments")), facts(...pairs)] : null;
  }

  function sourcesOf(node, detail) {
    const called = new Set(node.receivers.map((call) => call.receiver));
    const sources = (detail?.receivers ?? []).filter((each) => each.source && called.has(each.name));
    return sources.map((each) =>
      make("details", null, make("summary", null, say("source_of", { name: last(each.name) })), source(each)),
    );
  }

  function source(connection) {
    const element = make("pre", { class: "source" });
    element.style.setProperty("--first", (connection.source_line || 1) - 1);
    for (const line of connection.source.replace(/\n$/, "").split("\n")) {
      element.append(make("span", { class: "line" }, `${line}\n`));
    }
    return element;
  }

  function receiver(node, cards) {
    const detail = details.get(detailKey(node.parent));
    const found = (detail?.receivers ?? []).filter((each) => each.name === node.receiver);
    const own = found.find((each) => !each.verdict) ?? found[0] ?? connectionOf(node);
    const { subject } = about(node.parent);
    return [
      node.started === null ? make("p", null, reason(node)) : null,
      cards,
      facts(
        [say("outcome"), outcomeOf(node)],
        [say("exception"), node.raised && code(node.raised)],
        [say("received"), toNode(node.parent.key, last(node.parent.signal), " ", subject)],
        [say("place"), node.place && code(node.place)],
        [say("sender"), own && (own.sender === null ? say("any_sender") : code(own.sender))],
        ["dispatch_uid", own?.uid && code(String(own.uid))],
        [say("reference"), own && (own.weak ? say("weak_reference") : say("strong_reference"))],
        [say("connected_at"), own?.connected_at && code(own.connected_at)],
        [say("running"), node.async && node.started !== null ? duration(node.running) : null],
        ...timing(node),
      ),
      own?.source ? [subheading(say("source")), source(own)] : null,
    ];
  }

  /** Return a statement in which the places of many rows are those of one. */
  function folded(sql) {
    return sql.replace(/(\([^()]*\))((?:, ?\1)+)/g, (_, first, others) => {
      const n = 1 + others.split(first).length - 1;
      return `${first} … ${say("times", { n })}`;
    });
  }

  function statement(node, cards) {
    return [
      cards,
      make("pre", null, folded(node.sql)),
      facts(
        [say("sent_by"), node.parent && toNode(node.parent.key, ...label(node.parent))],
        [say("database"), node.alias],
        [say("many"), node.many ? say("yes") : null],
        ...timing(node),
      ),
    ];
  }

  function hook(node, cards) {
    return [
      cards,
      facts(
        [say("function"), code(node.function)],
        [say("outcome"), node.outcome],
        [say("registered_by"), node.parent && toNode(node.parent.key, ...label(node.parent))],
        ...timing(node),
      ),
    ];
  }

  // Filter and order

  const view = { q: "", order: "newest", init: "hide" };
  const known = new Set();

  function matches({ haystack }) {
    const terms = view.q.toLowerCase().split(/\s+/).filter(Boolean);
    return terms.every((term) => haystack.includes(term));
  }

  function suggest({ entry }) {
    if (entry.type !== "emission" || known.size > 200) return;
    const app = entry.sender?.includes(".") ? entry.sender.split(".")[0] : null;
    for (const word of [last(entry.signal), entry.sender, app]) {
      if (!word || known.has(word)) continue;
      known.add(word);
      byId("known").append(make("option", { value: word }));
    }
  }

  function setFilter(q) {
    view.q = q;
    for (const record of records.values()) record.shown = matches(record);
    changed.findings = true;
    drawAll();
  }

  function setOrder(order) {
    view.order = ORDERS.has(order) ? order : "newest";
    drawAll();
  }

  function setInit(init) {
    view.init = init === "show" ? "show" : "hide";
    byId("init").checked = view.init === "hide";
    for (const record of records.values()) if (record.floods) erase(record);
    drawAll();
  }

  function drawAll() {
    changed.all = true;
    wake();
  }

  function unfilter() {
    byId("q").value = "";
    setFilter("");
    if (!visible().length) setInit("show");
    write("push");
    byId("q").focus();
  }

  byId("unfilter").addEventListener("click", unfilter);
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  let typing = 0;
  byId("q").addEventListener("input", ({ target }) => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      setFilter(target.value);
      write("replace");
    }, ASK_AFTER);
  });
  byId("order").addEventListener("change", ({ target }) => {
    setOrder(target.value);
    write("push");
  });
  byId("init").addEventListener("change", ({ target }) => {
    setInit(target.checked ? "hide" : "show");
    write("push");
  });

  // The address: order, filter and selection

  let wanted = null; // the entry that the address names and that has not come yet

  let writing = 0;
  let unwritten = ""; // what is to take the place of the address, in a moment

  function addressOfView() {
    const query = new URLSearchParams();
    const node = selected.slice(selected.lastIndexOf(".") + 1);
    if (view.order !== "newest") query.set("order", view.order);
    if (view.q) query.set("q", view.q);
    if (view.init !== "hide") query.set("init", view.init);
    if (selected) query.set("entry", node);
    if (selected && config) query.set("process", selected.slice(0, selected.lastIndexOf(".")));
    const text = query.toString();
    return `${location.pathname}${text && "?"}${text}`;
  }

  /** Write what is shown into the address: "push" at once, "replace" when keys rest. */
  function write(how) {
    wanted = null;
    clearTimeout(writing);
    if (how === "push") {
      flush();
      setAddress("pushState", addressOfView());
    } else {
      unwritten = addressOfView();
      writing = setTimeout(flush, ASK_AFTER);
    }
  }

  function flush() {
    if (unwritten) setAddress("replaceState", unwritten);
    unwritten = "";
  }

  /** Have the browser record an address. Each of them refuses when it is too much. */
  function setAddress(method, target) {
    if (target === location.pathname + location.search) return;
    try {
      history[method](null, "", target);
    } catch {
      // What is shown is right without it.
    }
  }

  /** Show what the address names. */
  function follow() {
    clearTimeout(writing);
    unwritten = "";
    const query = new URLSearchParams(location.search);
    byId("q").value = query.get("q") ?? "";
    setFilter(byId("q").value);
    setInit(query.get("init"));
    setOrder(query.get("order"));
    byId("order").value = view.order;
    const entry = query.get("entry");
    wanted = null;
    if (!entry) {
      select("", null);
      return;
    }
    const process = query.get("process") ?? current.process;
    wanted = { entry, process, since: performance.now() };
    settle();
  }

  /** Go to what was asked for as soon as it is there, or say that it is not. */
  function settle() {
    if (pendingAction) settleAction();
    if (!wanted) return;
    if (visit(keyOf(wanted.process, wanted.entry), null, false)) {
      wanted = null;
    } else if (performance.now() - wanted.since > PATIENCE && queue.length === taken && current.hello) {
      tell(say("entry_gone", { entry: wanted.entry, process: wanted.process }));
      wanted = null;
    } else {
      wakeIn(PATIENCE + 50);
    }
  }

  addEventListener("popstate", follow);
  addEventListener("pagehide", flush);

  // What arrives, frame by frame

  let queue = [];
  let taken = 0;
  let frame = 0;
  let paused = false;
  const changed = { groups: new Set(), all: false, findings: false, told: new Set() };
  const news = { signals: 0, errors: 0, timer: 0 };

  function arrive({ entries, findings: found = [], dropped: lost = {} }, process, length = 0) {
    waitingSince = Math.min(waitingSince, performance.now());
    const size = length / entries.length;
    for (const entry of entries) queue.push({ entry, process, size });
    for (const finding of found) takeFinding(finding, process);
    for (const [name, times] of Object.entries(lost)) dropped.set(name, (dropped.get(name) ?? 0) + times);
    let first = queue.length; // of those that find room
    for (let room = MAX_WAITING_TEXT; first > taken && room > 0; first -= 1) {
      if (queue.length - first === MAX_ENTRIES) break;
      room -= queue[first - 1].size;
    }
    if (first > taken) {
      // In a tab that is hidden no frame comes, and nothing else would let them go.
      queue = queue.slice(first);
      discarded += first - taken;
      taken = 0;
    }
    wake();
  }

  let floodUntil = 0;
  let drawnAt = -Infinity;
  const isFlooded = () => performance.now() < floodUntil;

  let rest = 0; // when more may be taken, so that drawing leaves time for the reader
  let waitingSince = Infinity; // when what waits came, or some of it was taken

  for (const kind of ["pointerdown", "pointerup", "keydown"]) {
    const wait = () => {
      const until = performance.now() + (kind === "pointerdown" ? PRESS : COURTESY);
      rest = Math.min(until, waitingSince + LONGEST_WAIT);
    };
    addEventListener(kind, wait, { capture: true, passive: true });
  }

  function wake() {
    frame ||= requestAnimationFrame(work);
  }

  let timer = 0;
  let wakesAt = Infinity;

  /** Wake in some milliseconds. Each frame asks anew for all that it waits for. */
  function wakeIn(milliseconds) {
    const at = performance.now() + milliseconds;
    if (at >= wakesAt) return;
    clearTimeout(timer);
    timer = setTimeout(wake, milliseconds);
    wakesAt = at;
  }

  function work() {
    frame = 0;
    clearTimeout(timer);
    wakesAt = Infinity;
    const began = performance.now();
    if (began >= rest) {
      const before = taken;
      while (!paused && taken < queue.length && performance.now() < began + BUDGET) {
        take(queue[taken]);
        taken += 1;
      }
      waitingSince = taken < queue.length ? began : Infinity;
      if (taken - before > FLOOD) floodUntil = began + CALM_AFTER;
      // It runs when all that is drawn; the next time waits as long as that took.
      setTimeout(() => {
        const now = performance.now();
        rest = Math.max(rest, now + (now - began));
      });
    }
    if (taken === queue.length || taken > MAX_ENTRIES) {
      queue = queue.slice(taken);
      taken = 0;
    }
    update();
    settle();
    if (taken < queue.length && !paused) wakeIn(rest - performance.now());
  }

  function update() {
    const now = performance.now();
    const mayMove = now >= rest;
    const isDue = mayMove && (!isFlooded() || now - drawnAt > DRAW_EVERY);
    changed.all ||= mayMove && room !== Infinity && !isFlooded();
    if (changed.all || (changed.groups.size && isDue)) {
      draw();
      changed.groups.clear();
      changed.all = false;
    }
    if (isFlooded()) wakeIn(floodUntil - now);
    else if (room !== Infinity) wake();
    if (changed.findings && mayMove) showFindings();
    if (!mayMove && (changed.findings || changed.groups.size)) wakeIn(rest - now);
    updateCount();
    if (news.signals && !news.timer) news.timer = setTimeout(announce, NEWS_EVERY);
  }

  function updateCount() {
    const shown = visible().length;
    const parts = [say("entries", { n: shown })];
    if (shown < records.size) parts.push(say("hidden", { n: records.size - shown }));
    if (paused) parts.push(say("waiting", { n: queue.length - taken }));
    if (discarded) parts.push(say("discarded", { n: discarded, most: MAX_ENTRIES }));
    if (dropped.size) {
      const n = [...dropped.values()].reduce((sum, times) => sum + times, 0);
      parts.push(say("dropped", { n, names: [...dropped.keys()].map(last).slice(0, 3).join(", ") }));
    }
    const text = parts.join(" ");
    if (byId("count").textContent !== text) byId("count").textContent = text;
    byId("empty").hidden = records.size > 0;
    const hidesAll = records.size > 0 && shown === 0;
    byId("unmatched").hidden = !hidesAll;
    byId("q").setAttribute("aria-invalid", String(hidesAll && Boolean(view.q)));
    tree.hidden = shown === 0;
  }

  /** Tell a screen reader how much came, at most once in a while. */
  function announce() {
    const { signals, errors } = news;
    Object.assign(news, { signals: 0, errors: 0, timer: 0 });
    byId("news").textContent = [
      say("signals", { n: signals }),
      ...(errors ? [say("errors", { n: errors })] : []),
    ].join(", ");
  }

  // The connection

  const current = { process: config?.process ?? "", hello: false, isOver: false, lastId: "" };
  let stream = null;

  function state(name) {
    if (byId("connection").dataset.state === name) return;
    byId("connection").dataset.state = name;
    byId("connection").textContent = say(`state_${name}`);
  }

  /** Say in words what happened, above the tree. */
  function tell(text) {
    const notices = byId("notices");
    const element = make("p", { class: "notice" }, text, " ");
    const dismiss = () => {
      element.remove();
      (notices.querySelector("button") ?? stop ?? byId("detail")).focus();
    };
    element.append(button(say("dismiss"), dismiss, { class: "link" }));
    notices.append(element);
    while (notices.children.length > MAX_NOTICES) notices.firstElementChild.remove();
  }

  function connect() {
    const after = current.lastId && `?after=${encodeURIComponent(current.lastId)}`;
    stream?.close(); // A page that comes back may be about to connect already.
    stream = new EventSource(config.stream + after);
    stream.addEventListener("hello", (event) => greet(event, JSON.parse(event.data)));
    stream.addEventListener("entries", (event) => {
      current.lastId = event.lastEventId;
      arrive(JSON.parse(event.data), current.process, event.data.length);
    });
    stream.addEventListener("bye", () => {
      current.isOver = true;
    });
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) {
        state("refused");
        setTimeout(connect, CONNECT_AGAIN_AFTER);
      } else if (!current.isOver) {
        state("lost");
      }
      current.isOver = false;
    });
  }

  function greet(event, { process, pid, server, busy, missed }) {
    if (current.hello && process !== current.process) {
      tell(say("restarted", { before: current.process, process, pid: String(pid) }));
      forget();
    }
    if (missed) tell(say("missed", { n: missed }));
    if (wanted && !current.hello) wanted.since = performance.now();
    Object.assign(current, { process, hello: true, isOver: false, lastId: event.lastEventId });
    byId("process").textContent = say("process_of", { process, pid: String(pid), server });
    state(busy ? "busy" : "live");
    wake();
  }

  /** Learn anew what a process said of its code, which may be another by now. */
  function forget() {
    details.clear();
    inventory.clear();
    learn().then(showDetail);
  }

  /** Learn which receivers are held weakly. */
  async function learn() {
    remember((await getJSON(byId("receivers").href)) ?? []);
  }

  /** Return what the server answers, or null: that it does not is told elsewhere. */
  async function getJSON(address) {
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  function remember(data) {
    for (const { signal, receivers } of data) {
      for (const each of receivers) inventory.set(`${signal} ${each.name}`, each);
    }
  }

  // Pause, clear, actions, downloads

  function setPaused(value) {
    paused = value;
    byId("pause").setAttribute("aria-pressed", String(paused));
    wake();
  }

  function clear() {
    const waiting = queue.map(({ entry, process }) => keyOf(process, entry.number));
    for (const key of [...records.keys(), ...waiting]) shorten(cleared.add(key), 2 * MAX_ENTRIES);
    for (const record of [...records.values()]) remove(record);
    queue = [];
    taken = 0;
    discarded = 0;
    dropped.clear();
    findings.clear();
    told.clear();
    allCards = false;
    changed.all = true;
    changed.findings = true;
    byId("notices").replaceChildren();
    select("", "push");
    wake();
  }

  let pendingAction = null;

  const TOKEN = "[name=csrfmiddlewaretoken]";

  /** Post, with a new token if that of the page is refused, as it is after a login. */
  async function post(address, body) {
    const once = () =>
      fetch(address, {
        method: "POST",
        headers: {
          Accept: "application/json",
          "Content-Type": "application/json",
          [config.csrf]: document.querySelector(TOKEN).value,
        },
        body,
      });
    const answer = await once();
    if (answer.status !== 403) return answer;
    await renewToken();
    const second = await once();
    if (second.status === 403) throw new Error(say("refused"));
    return second;
  }

  async function renewToken() {
    const page = await (await fetch(location.pathname)).text();
    const found = new DOMParser().parseFromString(page, "text/html").querySelector(TOKEN);
    for (const each of document.querySelectorAll(TOKEN)) each.value = found?.value ?? each.value;
  }

  async function runAction(formElement) {
    const output = formElement.querySelector("output");
    output.textContent = say("running_now");
    try {
      const answer = await post(formElement.action, "");
      const data = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(data.error ?? answer.status);
      output.textContent = summary(data);
      if (data.process !== current.process) return; // Its entries are told elsewhere.
      for (const each of data.findings) takeFinding(each, current.process);
      pendingAction = { numbers: data.numbers, until: performance.now() + PATIENCE };
      wake();
    } catch (error) {
      output.textContent = say("action_failed", { error: error.message });
    }
  }

  function summary({ recording: seen, raised, findings: found }) {
    const total = { signals: 0, queries: 0 };
    for (const entry of seen.entries) {
      for (const node of within(entry)) {
        total.signals += node.type === "emission" ? node.times : 0;
        total.queries += node.type === "query" ? 1 : 0;
      }
    }
    const parts = [say("signals", { n: total.signals }), say("queries", { n: total.queries })];
    if (found.length) parts.push(say("findings", { n: found.length }));
    if (raised) parts.push(say("raised", { name: last(raised) }));
    return parts.join(", ");
  }

  /** Select what says most of an action, as soon as its entries are there. */
  function settleAction() {
    const { numbers, until } = pendingAction;
    const came = numbers
      .map((number) => records.get(keyOf(current.process, number)))
      .filter(Boolean);
    if (came.length < numbers.length && performance.now() < until) {
      wakeIn(ASK_AFTER);
      return;
    }
    pendingAction = null;
    const [finding] = came.flatMap(({ entry }) => findingsInside(entry));
    if (finding) {
      visit(finding.about, "push", false);
      return;
    }
    const worth = (record) =>
      (record.errors ? 2_000 : 0) +
      (record.entry.fate === "rolled back" ? 1_500 : 0) +
      (isVisible(record) ? 0 : -9_000) +
      Math.min(record.nodes.length, 1_000);
    const [best] = came.sort((one, other) => worth(other) - worth(one));
    if (best) visit(best.key, "push", false);
  }

  /** Return what the server wrote about its refusal, unless that is a page. */
  async function whyNot(answer) {
    const isText = answer.headers.get("Content-Type")?.startsWith("text/plain");
    return isText ? answer.text() : answer.status;
  }

  async function download(address) {
    const shown = [...records.values()].filter(
      (record) => isVisible(record) && record.process === current.process,
    );
    const body = JSON.stringify(shown.map((record) => record.entry.number));
    try {
      const query = new URLSearchParams({ process: current.process });
      const answer = await post(`${address}?${query}`, body);
      if (!answer.ok) throw new Error(await whyNot(answer));
      const header = answer.headers.get("Content-Disposition") ?? "";
      const name = /filename="?([^";]+)"?/.exec(header)?.[1] ?? "signals";
      const file = URL.createObjectURL(await answer.blob());
      make("a", { href: file, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(file), PATIENCE);
      const n = shown.length - Number(answer.headers.get("Signals-Entries"));
      if (n > 0) tell(say("file_lacks", { n }));
    } catch (error) {
      tell(say("download_failed", { error: error.message }));
    }
  }

  // The beginning

  function begin() {
    for (const element of document.querySelectorAll("[data-live]")) element.hidden = false;
    follow();
    if (recording) open(recording);
    else live();
  }

  function open(data) {
    current.process = data.process ?? "";
    current.hello = true;
    for (const each of Object.values(data.details ?? {})) remember([each]);
    if (wanted) wanted.process = current.process;
    if (data.process) byId("process").textContent = say("process_recorded", { process: data.process });
    state("offline");
    arrive(data, current.process);
  }

  async function live() {
    byId("pause").addEventListener("click", () => setPaused(!paused));
    byId("clear").addEventListener("click", clear);
    for (const element of document.querySelectorAll("form[data-action]")) {
      element.addEventListener("submit", (event) => {
        event.preventDefault();
        runAction(element);
      });
    }
    byId("downloads").addEventListener("submit", (event) => {
      event.preventDefault();
      download(event.submitter.formAction);
    });
    // Else the browser would hold the stream for a page that is gone.
    addEventListener("pagehide", () => stream?.close());
    addEventListener("pageshow", ({ persisted }) => persisted && connect());
    state("connecting");
    await learn();
    connect();
  }

  // A small screen is for the tree; what it is filtered by unfolds.
  const small = matchMedia("(max-width: 40rem)");
  const fit = () => byId("tools").toggleAttribute("open", !small.matches);
  small.addEventListener("change", fit);
  fit();

  begin();
})();
