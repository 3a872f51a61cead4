// The operator's verbs. A button asks first: what would happen is shown, and only then can it be done.
// The token is kept for as long as the tab is open, and shown to this daemon alone.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const TOKEN = "cutover-token";
  let order; // What is asked for: the verb, the service, and how that is called.
  let isBusy = false;
  let isSeen = false; // Whether what is on show is what would be done.

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
    isSeen = seen;
    byId("ask-do").textContent = label;
    byId("ask-do").classList.toggle("danger", seen);
    byId("ask-do").hidden = false;
    byId("ask-leave").textContent = "Leave it";
  };

  const titles = { promote: "Promote", pause: "Pause", resume: "Resume", retry: "Retry" };
  const titled = ({ verb, service, to }) =>
    verb === "rollback" ? `Roll back ${service} to ${to}` : `${titles[verb]} ${service}`;

  const open = (button) => {
    order = { ...button.dataset, force: [] };
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

  const ask = async (isDone) => {
    const token = byId("ask-token").value.trim();
    const force = [...document.querySelectorAll("#ask-plan [name=force]:checked")].map((it) => it.value);
    if (!isSeen) order.force = [...new Set([...order.force, ...force])];
    isBusy = true;
    try {
      const reply = await fetch(`/api/v1/services/${encodeURIComponent(order.service)}/${order.verb}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify({ force: order.force, dry_run: !isDone }),
      });
      const said = await reply.json();
      if (reply.status !== 401) sessionStorage.setItem(TOKEN, token);
      if (!reply.ok) showUndone(reply.status, said);
      else if (isDone) showDone(said);
      else showPlan(said);
    } catch (error) {
      // Whether it was done is not known: what the page shows is.
      show(element("p", [sign(false, "No answer"), `: ${error.message}. Look at the page for what has become of it.`]));
      offer("See what it would do", false);
    } finally {
      isBusy = false;
    }
  };

  addEventListener("DOMContentLoaded", () => {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-verb]");
      if (button) open(button);
    });
    byId("ask-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!isBusy) ask(isSeen);
    });
    byId("ask-token").addEventListener("input", () => offer("See what it would do", false));
    byId("ask-leave").addEventListener("click", () => byId("ask").close());
  });
})();
