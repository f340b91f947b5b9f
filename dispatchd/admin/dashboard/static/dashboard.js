// Keeps an open page up to date, copies, and counts relative times on. Without it every page reads
// as well. It asks for the page it is on and takes over the parts that may change.
"use strict";
(() => {
  const main = document.querySelector("main");
  const pulse = document.body.dataset.live;
  const LIVE = { headers: { "X-Dispatchd-Live": "1" } };
  const LEAST_MS = 1000;
  const POLL_MS = 5000;
  const AGAIN_MS = 2000;
  let source = null, poll = 0, due = 0, busy = false, again = false, on = true;

  // Times: the server's words, counted on here.
  const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const words = (ms) => {
    const past = ms > 0, s = Math.floor(Math.abs(ms) / 1000);
    if (s < 1) return "now";
    const [size, unit] = UNITS.find(([size]) => s >= size);
    const span = Math.floor(s / size) + unit;
    return past ? span + " ago" : "in " + span;
  };
  const tell = () => {
    for (const time of document.querySelectorAll("time"))
      time.textContent = words(Date.now() - skew - Date.parse(time.dateTime));
  };
  // A browser's clock may be wrong; how long ago something was is told by the server's.
  let skew = 0;
  const setSkew = (headers) => {
    const date = Date.parse(headers.get("Date"));
    if (!Number.isNaN(date)) {
      const off = Date.now() - date;
      skew = Math.abs(off) > 5000 ? off : 0;
    }
  };

  // Takes over what is new, node by node: focus, selection, open folds and what is being typed stay.
  const KEPT = new Set(["open", "value", "hidden"]);
  const NONE = new Set();
  const attributes = (old, now) => {
    const kept = old.nodeName === "PROGRESS" ? NONE : KEPT;
    for (const { name } of [...old.attributes])
      if (!kept.has(name) && !now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes)
      if (!kept.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  };
  const morph = (old, now) => {
    attributes(old, now);
    if (old.isEqualNode(now)) return;
    const keyed = new Map();
    for (const child of old.children) if (child.id) keyed.set(child.id, child);
    let at = old.firstChild;
    for (const next of [...now.childNodes]) {
      const known = next.id && keyed.get(next.id);
      if (known) {
        if (known === at) at = at.nextSibling; else old.insertBefore(known, at);
        morph(known, next);
      } else if (next.id && keyed.size) {
        next.classList.add("fresh");
        old.insertBefore(next, at);
      } else if (at && !at.id && at.nodeName === next.nodeName) {
        if (at.nodeType === 1) morph(at, next);
        else if (at.nodeValue !== next.nodeValue) at.nodeValue = next.nodeValue;
        at = at.nextSibling;
      } else old.insertBefore(next, at);
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  };

  const take = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live-part]")) {
      const now = page.getElementById(part.id);
      if (now) morph(part, now);
    }
    dress(main);
    tell();
  };

  const refresh = async () => {
    due = 0;
    if (busy || !on || document.hidden) { again = busy; return; }
    busy = true;
    const began = performance.now();
    let rest = LEAST_MS;
    try {
      const answer = await fetch(main.dataset.url, LIVE);
      setSkew(answer.headers);
      if (answer.redirected || answer.status === 401) { location.reload(); return; }
      if (answer.ok) take(await answer.text());
      rest = Math.max(LEAST_MS, 10 * (performance.now() - began));  // a slow answer is asked for less
    } catch { rest = POLL_MS; }
    busy = false;
    if (again) { again = false; soon(rest); } else onward(rest);
  };
  // What is under way (a rate, a replay) may end without anything that happens.
  const onward = (rest) => {
    if (main.querySelector("[data-again]")) soon(Math.max(rest, AGAIN_MS));
  };
  const soon = (ms) => { if (!due) due = setTimeout(refresh, ms); };

  const listen = () => {
    if (!pulse || source || !on || document.hidden) return;
    source = new EventSource(pulse);
    source.onmessage = () => soon(0);
    source.onopen = () => { clearInterval(poll); poll = 0; };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      source = null;  // too many listen, or the session has ended: ask now and then
      if (!poll) poll = setInterval(() => { soon(0); }, POLL_MS);
    };
  };
  const rest = () => { if (source) source.close(); source = null; clearInterval(poll); poll = 0; };

  const button = document.querySelector("button.live");
  if (button && pulse) {
    button.hidden = false;
    button.addEventListener("click", () => {
      on = !on;
      button.setAttribute("aria-pressed", String(on));
      button.textContent = on ? "Live" : "Paused";
      if (on) { listen(); soon(0); } else rest();
    });
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) rest(); else { listen(); soon(0); }  // a hidden page holds no connection
  });
  addEventListener("pagehide", rest);

  // Copying.
  const dress = (root) => { for (const one of root.querySelectorAll(".copy")) one.hidden = false; };
  document.addEventListener("click", async (event) => {
    const one = event.target.closest(".copy");
    if (!one) return;
    const label = one.textContent;
    const { copy, copyOf } = one.dataset;
    const text = copyOf ? document.getElementById(copyOf).textContent : copy;
    try { await navigator.clipboard.writeText(text); one.textContent = "Copied"; }
    catch { one.textContent = "Not allowed here"; }
    setTimeout(() => { one.textContent = label; }, 1500);
  });
  // A menu closes with Escape, or when somebody goes elsewhere.
  const shut = (but) => {
    for (const menu of document.querySelectorAll("details.menu[open]:not(.plain)"))
      if (menu !== but) menu.open = false;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = event.target.closest("details.menu[open]");
    shut(null);
    if (menu) menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => shut(event.target.closest("details.menu")));

  // What took the server longer than a page may take comes when it is ready.
  const later = async () => {
    const part = document.querySelector("[data-later]");
    if (!part) return;
    try {
      const answer = await fetch(part.dataset.later);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById(part.id);
      if (now) part.replaceWith(now);
      tell();
    } catch { /* the link in it leads there as well */ }
  };

  dress(document);
  if (main.dataset.url && location.pathname + location.search !== main.dataset.url
      && document.querySelector("#tried, [role=status]"))
    history.replaceState(null, "", main.dataset.url);  // loading it again must not send it again
  const tried = document.getElementById("tried");
  if (tried) tried.focus();
  listen();
  later();
  if (pulse) onward(0);
  setInterval(tell, 1000);
})();
