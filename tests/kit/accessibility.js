// What axe-core does not decide, as a list of sentences; empty when nothing is found: whether focus is seen, words in
// pictures can be read, and the page fits the window.
(() => {
  const found = [];
  const seen = (element) => element.checkVisibility();
  const say = (rule, element) => found.push(`${rule}: ${element.outerHTML.slice(0, 120)}`);
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);

  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (ink, ground) => {
    const [a, b] = [light(ink), light(ground)].sort((one, other) => other - one);
    return (a + 0.05) / (b + 0.05);
  };
  for (const words of all("svg text")) {
    const ground = getComputedStyle(words.closest("svg").querySelector(".ground")).fill;
    const ratio = contrast(numbers(getComputedStyle(words).fill), numbers(ground));
    if (ratio < 4.5) say(`contrast is ${ratio.toFixed(2)}`, words);
  }
  for (const one of all("a, button, summary, select, input:not([type=hidden]), textarea, [tabindex='0']")) {
    one.focus({ focusVisible: true });
    const style = getComputedStyle(one);
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) say("its focus is not seen", one);
  }
  if (document.activeElement) document.activeElement.blur();
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page is wider than the window");
  return found;
})()
