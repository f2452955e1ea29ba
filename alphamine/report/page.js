
const library = document.querySelector('script[src]');
for (const block of document.querySelectorAll('script[type="application/json"]')) {
  if (typeof Plotly === 'undefined') {
    block.previousElementSibling.textContent = 'This figure is drawn by ' +
      library.getAttribute('src') + ', which is not in the folder of this page. ' +
      'Copy the two together, or write the page with --single-file.';
    block.previousElementSibling.className = 'missing';
    continue;
  }
  const figure = JSON.parse(block.textContent);
  const ink = getComputedStyle(document.body).color;
  figure.layout.font = {color: ink, family: 'system-ui, sans-serif', size: 12};
  Plotly.newPlot(block.previousElementSibling, figure.data, figure.layout,
    {responsive: true, displaylogo: false, displayModeBar: false});
}

// A cell's number, if it is one: what is missing is a dash, and sorts last.
function numberOf(cell) {
  const text = cell.textContent.trim().replace(/[,%\s]/g, '').replace('<', '');
  return text === '–' || text === '' ? NaN : Number(text);
}

function sortBy(table, column, heading) {
  const rising = heading.getAttribute('aria-sort') === 'descending';
  for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
  heading.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const texts = rows.some(row => row.cells[column] && !/^[-+<]?[\d.,]+%?$|^–?$/.test(
    row.cells[column].textContent.trim()));
  const sign = rising ? 1 : -1;
  rows.sort((a, b) => {
    if (texts) return -sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
    const x = numberOf(a.cells[column]), y = numberOf(b.cells[column]);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y);
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll('.wide table')) {
  const wide = table.parentElement;
  wide.tabIndex = 0;
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.tabIndex = 0;
    heading.title = 'sort';
    const sort = () => sortBy(table, column, heading);
    heading.addEventListener('click', sort);
    heading.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); sort(); }
    });
  });
  if (rows.length < 8) continue;
  const filter = document.createElement('input');
  filter.type = 'search';
  filter.placeholder = 'filter rows';
  filter.setAttribute('aria-label', 'filter rows');
  filter.addEventListener('input', () => {
    const wanted = filter.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  wide.before(filter);
}

addEventListener('beforeprint', () => {
  for (const fold of document.querySelectorAll('details')) fold.open = true;
});
