// The operator's verbs. A button asks first: what would happen is shown, and only then can it be done.
// The token is kept for as long as the tab is open, and shown to this daemon alone.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const TOKEN = "cutover-token";
  const PATIENCE_MS = 70000; // Longer than the server takes for anything.
  // What the open dialog asks for: the verb, the service, what it breaks; whether what is on show is what would
  // be done; and whether an answer is awaited. None when it is closed, or done.
  let order;

  const element = (name, children = [], attributes = {}) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...[children].flat());
    return made;
  };
  const show = (...children) => {
    byId("ask-plan").replaceChildren(...children);
    // It is read out, and a key that is pressed once more does nothing.
    byId("ask-plan").focus();
  };
  const offer = (label, seen) => {
    order.isSeen = seen;
    byId("ask-do").textContent = label;
    byId("ask-do").classList.toggle("danger", seen);
    byId("ask-do").hidden = false;
    byId("ask-leave").textContent = "Leave it";
  };

  const titles = { promote: "Promote", pause: "Pause", resume: "Resume", retry: "Retry" };
  const titled = ({ verb, service, to }) =>
    verb === "rollback" ? `Roll back ${service} to ${to}` : `${titles[verb]} ${service}`;

  // What is still on its way is of no use then, and must not turn up in another dialog.
  const forget = () => {
    order?.asking?.abort();
    order = undefined;
  };
  const open = (button) => {
    forget();
    order = { ...button.dataset, force: [], isSeen: false, asking: undefined };
    byId("ask-heading").textContent = titled(order);
    byId("ask-token").value = sessionStorage.getItem(TOKEN) ?? "";
    byId("ask").showModal();
    show(element("p", "Nothing is done before you have seen what it would do."));
    offer("See what it would do", false);
    if (byId("ask-token").value) byId("ask-do").focus();
    else byId("ask-token").focus();
  };

  // ---- What would happen -------------------------------------------------------------------------------

  const shares = (split) => {
    const pools = Object.entries(split).map(([pool, share]) => `${pool} ${share}\u00a0%`);
    return pools.length > 0 ? pools.join(", ") : "nothing";
  };
  const after = (secs) => (secs === 0 ? "at once" : `after ${self.cutoverSpan(secs)}`);
  const sign = (isGood, text) => element("span", text, { class: `sign ${isGood ? "good" : "bad"}` });

  const foretold = ([name, plan]) => {
    const step = (it) =>
      element("li", [element("b", `${after(it.after_secs)}: ${it.phase}`), ` — ${shares(it.shares)} — ${it.why}`]);
    const left = (it) =>
      element("li", `${it.pool} is out of caches ${after(it.drained_after_secs)}, can be switched off ${after(it.off_after_secs)}`);
    const rule = (it) =>
      element("li", [sign(it.holds, `${it.name} ${it.holds ? "holds" : "does not hold"}`), `: ${it.why}`]);
    return [
      element("h3", name),
      element("p", [element("b", shares(plan.from)), " → ", element("b", shares(plan.to)), ` (${plan.phase} now)`]),
      element("ul", [...plan.rules.map(rule), ...plan.steps.map(step), ...plan.left.map(left)]),
    ];
  };
  const showPlan = (plan) => {
    const services = Object.entries(plan.changed);
    if (services.length === 0) show(element("p", "Nothing would change."));
    else show(...(order.force.length > 0 ? [element("p", `Breaks for this once: ${order.force.join(", ")}.`)] : []), ...services.flatMap(foretold));
    offer(titled(order), true);
  };

  // ---- What came of it ---------------------------------------------------------------------------------

  const showDone = ({ transitions, generation }) => {
    const told = transitions.map(({ from, to, why }) =>
      element("li", [sign(true, `${from} → ${to}`), `: ${why}`]));
    show(element("p", element("b", `Done. It is being answered from: generation ${generation}.`)), element("ul", told));
    byId("ask-do").hidden = true;
    byId("ask-leave").textContent = "Close";
    byId("ask-leave").focus();
    // Enter still submits the form: it must not be done once more.
    forget();
  };
  const showRefused = ({ why, stands, rules }) => {
    const possible = stands?.possible.join(", ");
    show(
      element("p", [sign(false, "Refused"), `: ${why}`]),
      ...(stands ? [element("p", `${stands.service} is ${stands.phase}; ${possible ? `possible now: ${possible}` : "no verb is of use now"}.`)] : []),
      ...rules.map((rule) =>
        element("label", [
          element("input", [], { type: "checkbox", name: "force", value: rule.name }),
          element("span", `break the rule ${rule.name} for this once: ${rule.why}`),
        ])),
    );
    offer("See what it would do", false);
  };
  const showUndone = (code, undone) => {
    if (undone.refused) return showRefused(undone.refused);
    const why = Object.values(undone).find((it) => typeof it === "string") ?? `status ${code}`;
    show(element("p", [sign(false, "Not done"), `: ${why}`]));
    offer("See what it would do", false);
    if (code === 401) {
      sessionStorage.removeItem(TOKEN);
      byId("ask-token").select();
    }
  };

  // ------------------------------------------------------------------------------------------------------

  const ask = async (asked) => {
    const isDone = asked.isSeen;
    const token = byId("ask-token").value.trim();
    const force = [...document.querySelectorAll("#ask-plan [name=force]:checked")].map((it) => it.value);
    if (!isDone) asked.force = [...new Set([...asked.force, ...force])];
    const asking = new AbortController();
    asked.asking = asking;
    const late = setTimeout(() => asking.abort(new Error(`none within ${self.cutoverSpan(PATIENCE_MS / 1000)}`)), PATIENCE_MS);
    try {
      const reply = await fetch(`/api/v1/services/${encodeURIComponent(asked.service)}/${asked.verb}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify({ force: asked.force, dry_run: !isDone }),
        signal: asking.signal,
      });
      const said = await reply.json();
      if (asked !== order) return;
      if (reply.status !== 401) sessionStorage.setItem(TOKEN, token);
      if (!reply.ok) showUndone(reply.status, said);
      else if (isDone) showDone(said);
      else showPlan(said);
    } catch (error) {
      if (asked !== order) return;
      // Whether it was done is not known: what the page shows is.
      show(element("p", [sign(false, "No answer"), `: ${error.message}. Look at the page for what has become of it.`]));
      offer("See what it would do", false);
    } finally {
      clearTimeout(late);
      asked.asking = undefined;
    }
  };

  addEventListener("DOMContentLoaded", () => {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-verb]");
      if (button) open(button);
    });
    byId("ask-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (order && !order.asking) ask(order);
    });
    byId("ask-token").addEventListener("input", () => {
      if (order) offer("See what it would do", false);
    });
    byId("ask").addEventListener("close", () => {
      if (!byId("ask").open) forget(); // Told late, it may be open anew.
    });
    byId("ask-leave").addEventListener("click", () => byId("ask").close());
  });
})();
