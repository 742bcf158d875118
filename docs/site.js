// A number keeps its deviation on its line: "82.6 ± 1.6" is not broken in narrow tables, which scroll instead.
for (const cell of document.querySelectorAll("td")) {
  if (/^[-−+]?[\d.,]+( ± [\d.]+)?$/.test(cell.textContent.trim())) cell.classList.add("number");
}
