// Keeps an open page up to date, and lets buttons stay on their page. Without it everything else works.
"use strict";

(() => {
  const region = document.querySelector("#live[data-live]");
  const connection = document.querySelector("#connection");
  const news = document.querySelector("#news");

  const say = (text) => {
    news.textContent = text;
    news.classList.remove("unseen");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => news.classList.add("unseen"), 6000);
  };

  // Makes `from` equal to `to` and touches only what differs, so that focus, scroll and open details stay. Children
  // with an id are the same thing wherever they stand.
  let fresh = 0;
  // Not `node.id`: in a form, a field of that name would answer.
  const key = (node) => (node.getAttribute ? node.getAttribute("id") : null);
  const morph = (from, to) => {
    if (from.isEqualNode(to)) return;
    if (from.nodeType !== Node.ELEMENT_NODE) {
      from.nodeValue = to.nodeValue;
      return;
    }
    for (const { name, value } of to.attributes) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) {
      const isOurs = name === "open" || name === "class" || name === "aria-busy";
      if (!to.hasAttribute(name) && !isOurs) from.removeAttribute(name);
    }
    const wanted = new Set([...to.children].map(key).filter(Boolean));
    const known = new Map([...from.children].filter(key).map((child) => [key(child), child]));
    let at = from.firstChild;
    const drop = () => {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    };
    for (const next of [...to.childNodes]) {
      const same = key(next) && known.get(key(next));
      if (same) {
        while (at && at !== same && !wanted.has(key(at))) drop();
        if (at === same) at = at.nextSibling;
        else from.insertBefore(same, at);
        morph(same, next);
        continue;
      }
      while (at && key(at) && !wanted.has(key(at))) drop();
      if (at && !key(at) && !key(next) && at.nodeName === next.nodeName) {
        const old = at;
        at = at.nextSibling;
        morph(old, next);
        continue;
      }
      const added = document.importNode(next, true);
      if (key(added)) {
        added.classList.add("fresh");
        fresh += 1;
      }
      from.insertBefore(added, at);
    }
    while (at) drop();
  };

  const show = (html) => {
    // The server escaped every value; the policy of this page forbids any script that isn't this file.
    const template = document.createElement("template");
    template.innerHTML = html;
    const next = region.cloneNode(false);
    next.append(template.content);
    fresh = 0;
    morph(region, next);
    if (fresh > 0) say(fresh === 1 ? "1 new entry" : `${fresh} new entries`);
  };

  let source = null;
  const state = (name, text) => {
    connection.dataset.state = name;
    connection.textContent = text;
  };
  const open = () => {
    if (source || document.hidden) return;
    const view = location.pathname + location.search;
    source = new EventSource(`/live?view=${encodeURIComponent(view)}`);
    source.addEventListener("open", () => state("on", "live"));
    source.addEventListener("view", (event) => {
      state("on", "live");
      show(JSON.parse(event.data));
    });
    source.addEventListener("problem", (event) => state("bad", JSON.parse(event.data)));
    source.addEventListener("error", () => {
      state("bad", "not connected, trying again");
      // A browser gives up after an answer that isn't a stream.
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 3000);
      }
    });
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  if (region) {
    open();
    // A page that nobody sees needs no news; when it is seen again, the first event brings all of it.
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
  }

  // A form that says so is sent from here, and the page stays.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.stay) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const what = body.get("event") || body.get("id");
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      if (answer.type === "opaqueredirect") {
        say(`${what} ${form.dataset.stay}`);
      } else {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        say(page.querySelector(".problem")?.textContent || `That didn't work (${answer.status})`);
      }
    } catch {
      say("That didn't work: no connection");
    }
    form.removeAttribute("aria-busy");
  });
})();
