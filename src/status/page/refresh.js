"use strict";
// Looks again while somebody looks, and exchanges what has changed. Copies commands. The page is whole without it.
(() => {
  document.documentElement.classList.add("scripted");
  document.addEventListener("click", async (event) => {
    const field = event.target.closest(".command")?.querySelector("input");
    if (!field) return;
    field.select();
    const button = event.target.closest("button");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      // Only pages of this machine or with TLS have a clipboard.
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
    }
  });
  const every = 10000;
  const busy = (live) => live.contains(document.activeElement) || String(getSelection()) !== "";
  const look = async () => {
    const live = document.getElementById("live");
    if (!live || document.hidden || busy(live)) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (fresh && !busy(live) && fresh.innerHTML !== live.innerHTML) live.replaceWith(fresh);
      document.documentElement.classList.remove("stale");
    } catch {
      document.documentElement.classList.add("stale");
    }
  };
  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
})();
