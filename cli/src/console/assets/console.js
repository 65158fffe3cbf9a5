// Updates an open page, and submits forms without leaving the page. Without this script everything else works.
"use strict";

(() => {
  const region = document.querySelector("#live[data-live]");
  const connection = document.querySelector("#connection");
  const news = document.querySelector("#news");

  const announce = (text) => {
    news.textContent = text;
    news.classList.remove("unseen");
    clearTimeout(announce.timer);
    announce.timer = setTimeout(() => news.classList.add("unseen"), 6000);
  };

  // Makes `from` equal to `to` and changes only the differences, so that focus, scroll position and open details stay.
  // Children with the same id are the same element, even at another position.
  let fresh = 0;
  // Not `node.id`: in a form, that would be the field named `id`.
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
    const kept = new Set([...to.children].map(key).filter(Boolean));
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
        while (at && at !== same && !kept.has(key(at))) drop();
        if (at === same) at = at.nextSibling;
        else from.insertBefore(same, at);
        morph(same, next);
        continue;
      }
      while (at && key(at) && !kept.has(key(at))) drop();
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
    // Safe as HTML: the server has escaped every value, and the page's policy allows no script but this file.
    const template = document.createElement("template");
    template.innerHTML = html;
    const next = region.cloneNode(false);
    next.append(template.content);
    fresh = 0;
    morph(region, next);
    if (fresh > 0) announce(fresh === 1 ? "1 new entry" : `${fresh} new entries`);
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
      state("bad", "disconnected, reconnecting");
      // A browser doesn't reconnect after a response that isn't an event stream.
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
    // A hidden page needs no updates. When it becomes visible again, the first event has the whole content.
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
  }

  // Submits a form with `data-stay` without leaving the page. The attribute is the end of the success message.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.stay) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const what = body.get("event") || body.get("id");
    form.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      if (response.type === "opaqueredirect") {
        announce(`${what} ${form.dataset.stay}`);
      } else {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        announce(page.querySelector(".problem")?.textContent || `Request failed (${response.status})`);
      }
    } catch {
      announce("Request failed: no connection");
    }
    form.removeAttribute("aria-busy");
  });
})();
