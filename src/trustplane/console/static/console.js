"use strict";
// Keeps a page as new as the server's events say, without moving what someone reads or types. Without this script the
// page reloads by itself.
(() => {
  const at = document.body.dataset.live;
  const said = document.getElementById("live");
  if (!at || !said || !window.EventSource) return;

  let busy = false;
  let again = false;

  const isTyping = () => {
    const focused = document.activeElement;
    const selected = window.getSelection();
    return (focused && focused.closest("main input")) || (selected && !selected.isCollapsed);
  };

  const take = (page) => {
    const fresh = new DOMParser().parseFromString(page, "text/html");
    const main = fresh.getElementById("main");
    const time = fresh.querySelector("footer time");
    if (!main || !fresh.body.dataset.live) { location.reload(); return; }
    const focused = document.activeElement;
    const wasInside = focused && focused.closest("main") && focused.id !== "main";
    document.getElementById("main").innerHTML = main.innerHTML;
    if (wasInside) {
      // The same words, wherever they are now: something may have come in above them.
      const alike = [...document.querySelectorAll("main a, main button, main [tabindex='0']")].find(
        (one) => one.tagName === focused.tagName && one.textContent === focused.textContent);
      if (alike) alike.focus({ preventScroll: true });
    }
    if (time) document.querySelector("footer time").replaceWith(time);
  };

  const refresh = async () => {
    if (isTyping()) return;
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "Console-Refresh": "1" }, cache: "no-store" });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) take(await answer.text());
    } catch {
      said.textContent = "Not live: the server does not answer.";
    } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 1000); }
    }
  };

  const source = new EventSource(at);
  source.addEventListener("open", () => { said.textContent = "Live."; });
  source.addEventListener("changed", refresh);
  source.addEventListener("ended", () => { source.close(); location.reload(); });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      said.textContent = "Not live: this page asks for newer figures every half minute.";
      setInterval(refresh, 30000);
    } else {
      said.textContent = "Not live: trying to reach the server again.";
    }
  });
})();
