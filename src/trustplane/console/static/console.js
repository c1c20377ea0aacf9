"use strict";
// Keeps a page as new as the server's events say, without moving what someone reads or types. Without this script the
// page reloads by itself.
(() => {
  // A picture as pixels, drawn by the browser from the file that is saved as SVG.
  const png = async (link) => {
    const picture = new Image();
    picture.src = link.href;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * picture.naturalWidth;
    canvas.height = 2 * picture.naturalHeight;
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const made = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const saved = document.createElement("a");
    saved.href = URL.createObjectURL(made);
    saved.download = new URL(link.href).pathname.slice("/pictures/".length).replaceAll("/", "-").replace(/svg$/, "png");
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 60000);
  };
  const offerPng = () => {
    for (const one of document.querySelectorAll("a[data-png]")) one.hidden = false;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-png]");
    if (!link) return;
    event.preventDefault();
    png(link);
  });
  offerPng();

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
    const open = [...document.querySelectorAll("main details[open]")].map((one) => one.id);
    document.getElementById("main").innerHTML = main.innerHTML;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    offerPng();
    if (wasInside) {
      // The same words, wherever they are now: something may have come in above them.
      const alike = [...document.querySelectorAll("main a, main button, main summary, main [tabindex='0']")].find(
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
