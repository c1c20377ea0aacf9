// What keeps people from using a page, as a list of sentences; empty when nothing is found. Rules of WCAG 2.2 AA that a
// program can decide: names, labels, headings, landmarks, table headers, contrast, size of targets, focus.
(() => {
  const found = [];
  const seen = (element) => element.checkVisibility();
  const say = (rule, element) => found.push(`${rule}: ${element.outerHTML.slice(0, 120)}`);
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);

  if (!document.documentElement.lang) found.push("the page says no language");
  if (!document.title) found.push("the page has no title");
  if (all("main").length !== 1) found.push("there is not one main");
  if (all("h1").length !== 1) found.push("there is not one h1");
  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) say("a level of headings is skipped", heading);
    level = now;
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids.filter((one, index) => ids.indexOf(one) !== index))) found.push(`two elements are #${id}`);
  for (const field of all("input:not([type=hidden])")) {
    if (!field.labels || !field.labels.length) say("a field has no label", field);
  }
  for (const one of all("a, button")) {
    if (!(one.textContent.trim() || one.getAttribute("aria-label"))) say("it has no name", one);
  }
  for (const table of all("table")) {
    if ([...table.querySelectorAll("thead th")].some((one) => one.scope !== "col")) say("a head is of no column", table);
  }
  for (const picture of all("svg")) {
    if (!picture.getAttribute("aria-label")) say("a picture says nothing", picture);
  }
  for (const region of all("[role=region], section, nav")) {
    const by = region.getAttribute("aria-labelledby");
    if (!region.getAttribute("aria-label") && !(by && document.getElementById(by))) say("a region has no name", region);
  }
  for (const target of all("button, input:not([type=hidden])")) {
    if (target.getBoundingClientRect().height < 24) say("it is too small to hit", target);
  }

  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (ink, ground) => {
    const [a, b] = [light(ink), light(ground)].sort((one, other) => other - one);
    return (a + 0.05) / (b + 0.05);
  };
  for (const element of all("body *")) {
    const own = [...element.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.textContent.trim());
    if (!own || element.closest("defs, noscript, script, title")) continue;
    const style = getComputedStyle(element);
    const svg = element.closest("svg");
    const ink = numbers(svg ? style.fill : style.color);
    const ground = svg ? numbers(getComputedStyle(svg.querySelector(".ground")).fill) : behind(element);
    const ratio = contrast(ink, ground);
    if (ratio < 4.5) say(`contrast is ${ratio.toFixed(2)}`, element);
  }
  for (const one of all("a, button, input:not([type=hidden]), [tabindex='0']")) {
    one.focus({ focusVisible: true });
    const style = getComputedStyle(one);
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) say("its focus is not seen", one);
  }
  if (document.activeElement) document.activeElement.blur();
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page is wider than the window");
  return found;
})()
