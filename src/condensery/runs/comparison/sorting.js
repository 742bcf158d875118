for (const section of document.querySelectorAll(".compared")) {
  const table = section.querySelector("table"), heads = [...table.tHead.rows[0].cells];
  const key = (body, column) => body.rows[0].cells[column].dataset.key;
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const sorted = head.getAttribute("aria-sort");
    const upward = sorted ? sorted === "descending" : column === 0;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", upward ? "ascending" : "descending");
    const order = (a, b) => !a - !b || (upward ? a - b : b - a);
    [...table.tBodies].sort((a, b) => order(key(a, column), key(b, column)))
      .forEach(body => table.append(body));
  }));
  const lines = [...section.querySelectorAll("svg [data-contender]")];
  for (const body of table.tBodies) {
    const show = on => {
      section.classList.toggle("chosen", on);
      for (const line of lines) line.classList.toggle("on", on && line.dataset.contender === body.dataset.contender);
    };
    body.addEventListener("mouseenter", () => show(true));
    body.addEventListener("mouseleave", () => show(false));
  }
}
