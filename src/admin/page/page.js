// Keeps the page as it is on the server: puts what has changed in its place, counts down, filters, and asks
// before anything is done. Without it everything can be read; the browser loads the page again by itself.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  root.classList.add("scripts");

  // Only what this page's own server has escaped is ever made HTML of.
  const policy = self.trustedTypes?.createPolicy("cutover", { createHTML: (html) => html });
  const parse = (html) => {
    const template = document.createElement("template");
    template.innerHTML = policy ? policy.createHTML(html) : html;
    return template.content.firstElementChild;
  };

  // ---- The server's time -------------------------------------------------------------------------------

  let offset = 0; // Of the server's clock from ours, in milliseconds.
  const setClock = (now) => {
    offset = Date.parse(now) - Date.now();
  };
  const serverNow = () => Date.now() + offset;

  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const span = (secs) => {
    const first = Math.max(0, units.findIndex(([, size]) => secs >= size));
    const at = secs < 1 ? 3 : first;
    let left = secs;
    const parts = [];
    for (const [unit, size] of units.slice(at, at + 2)) {
      const count = Math.floor(left / size);
      left -= count * size;
      if (count > 0 || parts.length === 0) parts.push(`${count} ${unit}`);
    }
    return parts.join(" ");
  };
  self.cutoverSpan = span; // For act.js.
  const countdown = (at) => {
    const secs = Math.ceil((at - serverNow()) / 1000);
    if (secs === 0) return "now";
    return secs > 0 ? `in ${span(secs)}` : `${span(-secs)} ago`;
  };
  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const count = () => {
    setText(byId("clock"), new Date(serverNow()).toISOString().slice(11, 19));
    for (const element of document.querySelectorAll(".count")) {
      const at = Date.parse(element.dataset.at);
      if (Number.isNaN(at)) continue;
      setText(element, countdown(at));
      element.title = element.dataset.at;
    }
  };

  // ---- What has changed --------------------------------------------------------------------------------

  // Makes one element like another without replacing what is alike: so focus, selection, what is open and
  // where it is scrolled to stay.
  const morph = (from, to, isFilling) => {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
      from.replaceWith(to);
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    // What fills a hole comes by itself.
    if (to.hasAttribute("data-hole") && !isFilling && from.id === to.id) return;
    if (from.className !== to.className || !from.isEqualNode(to)) {
      for (const { name, value } of [...to.attributes]) {
        if (from.getAttribute(name) !== value) from.setAttribute(name, value);
      }
      for (const { name } of [...from.attributes]) {
        if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
      }
      const old = [...from.childNodes];
      const fresh = [...to.childNodes];
      fresh.forEach((child, at) => (at < old.length ? morph(old[at], child, false) : from.append(child)));
      old.slice(fresh.length).forEach((child) => child.remove());
    }
  };

  const orders = {}; // The ids of each slot, in their order.
  const unplaced = {}; // Elements that are new, until their slot has room for them.
  const fillings = {}; // Of holes that are not there yet.
  const place = (slot) => {
    const parent = byId(slot);
    if (!parent) return;
    const wanted = new Set(orders[slot]);
    for (const child of [...parent.children]) {
      if (!wanted.has(child.id) && !child.hasAttribute("data-keep")) child.remove();
    }
    let before = parent.firstElementChild;
    while (before?.hasAttribute("data-keep")) before = before.nextElementSibling;
    for (const id of orders[slot]) {
      const element = byId(id) ?? unplaced[id];
      delete unplaced[id];
      if (!element) continue; // Not sent yet.
      if (element === before) before = before.nextElementSibling;
      else parent.insertBefore(element, before);
    }
  };

  const apply = (text) => {
    const begun = performance.now();
    const [first, ...fragments] = text.split("\n");
    const head = JSON.parse(first);
    setClock(head.now);
    if (document.title !== head.title) document.title = head.title;
    for (const element of fragments.map(parse)) {
      if (element.hasAttribute("data-hole")) fillings[element.id] = element;
      else if (byId(element.id)) morph(byId(element.id), element, false);
      else unplaced[element.id] = element;
    }
    Object.assign(orders, head.orders);
    for (const slot of Object.keys(orders)) {
      if (slot in head.orders || orders[slot].some((id) => id in unplaced)) place(slot);
    }
    for (const [id, element] of Object.entries(fillings)) {
      if (!byId(id)) continue;
      morph(byId(id), element, true);
      delete fillings[id];
    }
    document.body.dataset.beat = head.beat;
    if ("rows" in head.orders || fragments.some((html) => html.startsWith("<tr"))) filter();
    count();
    // What it cost, for those who measure: the longest, and how many.
    self.cutoverApplied = self.cutoverApplied ?? { beats: 0, longest: 0, octets: 0 };
    self.cutoverApplied.beats += 1;
    self.cutoverApplied.octets += text.length;
    self.cutoverApplied.longest = Math.max(self.cutoverApplied.longest, performance.now() - begun);
  };

  // ---- The stream --------------------------------------------------------------------------------------

  const SILENT_MS = 10000; // Longer than any beat.
  const say = (state, words) => {
    const link = byId("link");
    if (link.dataset.state !== state) link.dataset.state = state;
    setText(link, words);
  };
  let source;
  let tries = 0;
  let watchdog;
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(again, SILENT_MS);
  };
  const again = () => {
    clearTimeout(watchdog);
    source?.close();
    const wait = Math.min(15000, 500 * 2 ** Math.min(tries, 5)) * (0.75 + Math.random() / 2);
    tries += 1;
    say(tries > 3 ? "stalled" : "connecting", tries > 3 ? "no connection: this page is old" : "reconnecting");
    setTimeout(connect, wait);
  };
  const connect = () => {
    const { watch, beat } = document.body.dataset;
    source = new EventSource(`${watch}${watch.includes("?") ? "&" : "?"}since=${beat}`);
    source.addEventListener("beat", (event) => {
      tries = 0;
      heard();
      apply(event.data);
      say("live", "live");
    });
    source.addEventListener("stalled", () => {
      heard();
      say("stalled", "stalled: the control plane does not answer");
    });
    source.onerror = again;
    heard();
  };

  // ---- The filter --------------------------------------------------------------------------------------

  const filter = () => {
    const rows = byId("rows");
    if (!rows) return;
    const text = byId("filter").value.trim().toLowerCase();
    const select = byId("phases");
    const phases = [...new Set([...rows.children].map((row) => row.dataset.phase))].sort();
    const known = [...select.options].slice(1).map((option) => option.value);
    if (phases.join() !== known.join()) {
      const chosen = select.value;
      if (chosen && !phases.includes(chosen)) phases.push(chosen);
      select.replaceChildren(select.options[0], ...phases.map((phase) => new Option(phase, phase)));
      select.value = chosen;
    }
    let found = 0;
    for (const row of rows.children) {
      const fits = row.id.slice(4).includes(text) && (!select.value || row.dataset.phase === select.value);
      if (row.hidden === fits) row.hidden = !fits;
      found += fits;
    }
    setText(byId("found"), text || select.value ? `${found} of ${rows.children.length}` : "");
  };

  // ------------------------------------------------------------------------------------------------------

  addEventListener("DOMContentLoaded", () => {
    if (!document.body.dataset.watch) return;
    setClock(document.body.dataset.now);
    byId("filters")?.addEventListener("submit", (event) => event.preventDefault());
    byId("filters")?.addEventListener("input", filter);
    filter();
    count();
    setInterval(count, 1000);
    if (byId("cards")) connect();
  });
})();
