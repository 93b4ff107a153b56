"use strict";
const form = document.getElementById("choose");
const show = () => {
  const { subject, outcome } = Object.fromEntries(new FormData(form));
  for (const cell of document.querySelectorAll("[data-subject]")) {
    const other = outcome && cell.dataset.outcome && cell.dataset.outcome !== outcome;
    cell.hidden = Boolean((subject && cell.dataset.subject !== subject) || other);
  }
  for (const section of document.querySelectorAll("section"))
    section.hidden = Boolean(subject || outcome) && !section.querySelector("details:not([hidden])");
};
const unfold = () => {
  const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found && found.tagName === "DETAILS") found.open = true;
};
form.hidden = false;
form.addEventListener("change", show);
addEventListener("hashchange", unfold);
unfold();
