// Keeps a page fresh: fetches it again and puts the parts that may have changed in the place of
// the old ones. Pages work without this; nothing else of the console is a script.
"use strict";
(() => {
  const seconds = Number(document.body.dataset.live);
  const place = document.getElementById("live");
  if (!seconds || !place) return;
  const stored = "as2drop-live";
  let on = sessionStorage.getItem(stored) !== "off";

  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  const said = document.createElement("span");
  place.append(button, " ", said);
  const label = () => {
    button.textContent = on ? "Pause updates" : "Update by itself";
  };
  label();
  button.addEventListener("click", () => {
    on = !on;
    sessionStorage.setItem(stored, on ? "on" : "off");
    label();
    if (on) look();
  });

  // A part that somebody is in, has opened or has selected text of is left as it is.
  const used = (part) => {
    const selection = getSelection();
    return part.contains(document.activeElement) || part.querySelector("details[open]") ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  };

  const replace = (fresh) => {
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (next && !used(part) && next.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(next));
    }
  };

  // A transfer that has moved on has other buttons, or parts that were not there.
  const shape = (doc) => [...doc.querySelectorAll("[data-part], .act button")].map((e) => e.dataset.part || e.value).join();

  const look = () => {
    if (!on || document.hidden) return;
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.setRequestHeader("X-As2drop-Refresh", "1");
    request.onload = () => {
      if (request.status === 401) return location.reload();
      const fresh = request.response;
      if (request.status !== 200 || !fresh || !fresh.querySelector("[data-part]")) return;
      const reason = document.getElementById("reason");
      if (shape(fresh) !== shape(document) && !(reason && (reason.value || reason === document.activeElement))) return location.reload();
      replace(fresh);
      said.textContent = "updated " + new Date().toLocaleTimeString();
    };
    request.onerror = () => { said.textContent = "the agent does not answer"; };
    request.send();
  };
  setInterval(look, seconds * 1000);
})();
