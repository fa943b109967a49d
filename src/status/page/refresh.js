"use strict";
// Looks again while somebody looks, and exchanges what has changed. The page is whole without it.
(() => {
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
