const events = new EventSource('/events');
const byID = (id) => document.getElementById(id);
events.addEventListener('state', (e) => { byID('s').textContent = JSON.stringify(JSON.parse(e.data), null, 1); });
events.addEventListener('log', (e) => { const l = JSON.parse(e.data); byID('l').textContent = `${l.node} ${l.text.en}\n${byID('l').textContent}`; });
byID('f').addEventListener('submit', async (e) => {
  e.preventDefault();
  const reply = await fetch('/do', { method: 'POST', body: byID('c').value });
  byID('e').textContent = (await reply.json()).error ?? '';
});
