// The pages' only script: it asks anew for what has changed, and takes keys. All
// of a page reads and works without it.
const { root } = document.body.dataset;
const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function remember(name, value) {
	document.cookie = `${name}=${value}; path=${root}; max-age=31536000; samesite=strict`;
}

// ---- times in the browser's zone ------------------------------------------------
// The first page of a browser came without its zone: it is loaded anew, unless the
// browser keeps no cookies.
const zones = /(?:^|; )ferryman_zone=([^;]*)/;
const chosen = zones.exec(document.cookie)?.[1];
const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
if (chosen !== "UTC" && chosen !== own) {
	remember("ferryman_zone", own);
	if (own !== document.body.dataset.zone && zones.exec(document.cookie)?.[1] === own) location.reload();
}

// On a narrow screen the menu is one line: what is open is brought into sight.
const here = $(".menu [aria-current]");
if (here) new ResizeObserver(() => {
	here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 48;
}).observe(here.parentElement);

// A chart that is wider than the screen begins with what is newest.
const resized = new ResizeObserver((boxes) => boxes.forEach(({ target }) => { target.scrollLeft = target.scrollWidth; }));
const atNewest = (within) => all(".scroll.newest", within).forEach((box) => resized.observe(box));
atNewest();

// ---- live -------------------------------------------------------------------
// The stream says which versions things have; when one that this page shows has
// another than when the page was made, the page is fetched and its regions, each
// an element with data-region and an id, are exchanged where they differ.
let stream, timer, told, waiting = false, paused = false, fetching = false;
let known = document.body.dataset.live ? JSON.parse(document.body.dataset.live) : null;
let soonest = 0;
const button = $("#live");

function say(state) {
	if (!button) return;
	button.hidden = false;
	button.dataset.state = state;
	button.setAttribute("aria-pressed", String(state === "paused"));
	$(".word", button).textContent = state;
}

function connect() {
	if (!known || paused || document.hidden || stream) return;
	stream = new EventSource(`${root}live`);
	stream.onopen = () => say("live");
	stream.onerror = () => {
		say("reconnecting");
		if (stream && stream.readyState === EventSource.CLOSED) { // refused: the session may be over
			disconnect();
			refresh();
			timer = setTimeout(connect, 5000);
		}
	};
	stream.onmessage = (event) => {
		told = JSON.parse(event.data);
		if (differs()) later();
	};
}

function differs() { return told && Object.keys(known).some((topic) => topic in told && told[topic] !== known[topic]); }

function disconnect() {
	clearTimeout(timer);
	if (stream) stream.close();
	stream = undefined;
}

// later asks for the page at most every two seconds.
function later() {
	if (waiting) return;
	waiting = true;
	setTimeout(() => { waiting = false; refresh(); }, Math.max(0, soonest - Date.now()));
}

async function refresh() {
	if (fetching) return;
	fetching = true;
	soonest = Date.now() + 2000;
	try {
		const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Ferryman-Refresh": "1" } }); // which keeps no session from ending
		if (answer.redirected) location.reload();
		if (answer.redirected || !answer.ok) return;
		const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
		if (fresh.body.dataset.live) known = JSON.parse(fresh.body.dataset.live);
		for (const old of all("[data-region]")) exchange(old, fresh.getElementById(old.id));
		heed();
		document.dispatchEvent(new CustomEvent("ferryman:refreshed"));
	} catch { /* asked for again below */ } finally {
		fetching = false;
		if (known && !paused && !document.hidden && differs()) later(); // it has changed meanwhile, or could not be fetched
	}
}

// exchange leaves a region alone while somebody is at it; it then gets the newest.
const newest = new WeakMap();
function exchange(old, fresh) {
	if (!fresh) return;
	if (old.matches(":hover, :focus-within") || $("details[open]", old)) {
		if (!newest.has(old)) {
			const again = () => setTimeout(() => { if (old.isConnected) exchange(old, newest.get(old)); });
			old.addEventListener("pointerleave", again);
			old.addEventListener("focusout", again);
			old.addEventListener("toggle", again, true);
		}
		newest.set(old, fresh);
		return;
	}
	if (old.isEqualNode(fresh)) return;
	const put = document.importNode(fresh, true);
	old.replaceWith(put);
	atNewest(put);
}

// heed shows in the title and the icon how many crons are in trouble.
const title = document.title.replace(/^\(\d+\) /, "");
function heed() {
	const failing = Number($("[data-failing]")?.dataset.failing || 0);
	document.title = failing ? `(${failing}) ${title}` : title;
	const icon = $("link[rel=icon]");
	icon.dataset.calm ||= icon.href;
	icon.href = failing ? icon.dataset.alarm : icon.dataset.calm;
}

function toggle() {
	paused = !paused;
	disconnect();
	if (paused) say("paused"); else { refresh(); connect(); }
}
if (known) {
	button.addEventListener("click", toggle);
	document.addEventListener("visibilitychange", () => { if (document.hidden) disconnect(); else if (!paused) { refresh(); connect(); } });
	connect();
	// What depends on the time alone changes without anything happening.
	setInterval(() => { if (!paused && !document.hidden) refresh(); }, 30_000);
}
heed();

// ---- controls ---------------------------------------------------------------
for (const select of all("select[data-submit]")) {
	select.addEventListener("change", () => select.form.requestSubmit());
	const submit = $("button", select.form);
	if (submit) submit.hidden = true;
}
// Pressed twice, a form that is taken but once would answer with the refusal.
document.addEventListener("submit", (event) => {
	if (!$('input[name="once"]', event.target)) return;
	if (event.target.dataset.sent) event.preventDefault();
	event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => { for (const form of all("form[data-sent]")) delete form.dataset.sent; });
document.addEventListener("click", async (event) => {
	const copy = event.target.closest("[data-copy]");
	if (!copy) return;
	await navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent);
	const label = copy.textContent;
	copy.textContent = "copied";
	setTimeout(() => { copy.textContent = label; }, 1500);
});

// ---- rows of crons ----------------------------------------------------------
// A row of the list holds what one sees at a glance. Its strip is one picture: whoever
// points at it, or asks by an arrow key, gets its bars as links to the runs. Its menu
// comes when it is opened.
const asked = new WeakSet();
async function fill(from, address, put) {
	if (asked.has(from)) return;
	asked.add(from);
	try {
		const answer = await fetch(address);
		if (!answer.ok || answer.redirected) throw new Error(answer.status);
		const { body } = new DOMParser().parseFromString(await answer.text(), "text/html");
		if (from.isConnected) put(document.importNode(body, true));
	} catch { asked.delete(from); }
}
function unfold(picture) {
	fill(picture, `${picture.href}/strip`, ({ firstElementChild: bars }) => {
		if (!bars) return; // the runs are gone meanwhile
		const focused = picture === document.activeElement;
		picture.replaceWith(bars);
		if (focused) $("a:not([tabindex])", bars)?.focus();
	});
}
document.addEventListener("pointerover", (event) => {
	const picture = event.pointerType === "mouse" && event.target.closest?.("a.bars");
	if (picture) unfold(picture);
});
document.addEventListener("toggle", ({ target }) => {
	if (!target.open || !target.matches?.("details.menu")) return;
	const panel = $(".panel", target);
	fill(target, `${$("a", panel).href}/menu?back=${encodeURIComponent(location.pathname + location.search)}`, (menu) => panel.replaceChildren(...menu.childNodes));
}, true);

// ---- keyboard ---------------------------------------------------------------
let going = 0;
const rows = () => all("tr[data-href], li[data-href]");
function step(by) {
	const list = rows();
	if (!list.length) return;
	const here = list.findIndex((row) => row.classList.contains("here"));
	list[here]?.classList.remove("here");
	const next = list[Math.min(Math.max(here + by, 0), list.length - 1)];
	next.classList.add("here");
	next.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
	if (event.ctrlKey || event.metaKey || event.altKey) return;
	if (event.key === "Escape") { for (const d of all("details[open].confirm")) d.open = false; $("#sheet")?.close(); }
	const picture = event.target.closest?.("a.bars"), group = event.target.closest?.("[data-arrows]");
	if (picture && (event.key === "ArrowLeft" || event.key === "ArrowRight")) { unfold(picture); event.preventDefault(); return; }
	if (group && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
		const links = all("a", group);
		links[links.indexOf(document.activeElement) + (event.key === "ArrowRight" ? 1 : -1)]?.focus();
		event.preventDefault();
		return;
	}
	if (event.target.closest?.("input, textarea, select")) return;
	if (going && Date.now() - going < 1500) {
		going = 0;
		const link = $(`.menu a[data-key="${CSS.escape(event.key)}"]`);
		if (link) location.assign(link.href);
		return;
	}
	switch (event.key) {
	case "g": going = Date.now(); break;
	case "/": { const search = $("input[type=search]"); if (search) { event.preventDefault(); search.focus(); } break; }
	case "j": step(1); break;
	case "k": step(-1); break;
	case "Enter": { const row = $(".here[data-href]"); if (row && event.target === document.body) location.assign(row.dataset.href); break; }
	case "[": { const a = $("a[rel=prev]"); if (a) location.assign(a.href); break; }
	case "]": { const a = $("a[rel=next]"); if (a) location.assign(a.href); break; }
	case "p": if (known) toggle(); break;
	case "?": sheet(); break;
	}
});
const help = [["/", "search"], ["j k", "next and previous row"], ["Enter", "open the row"], ["[ ]", "previous and next"], ["f", "follow a run"],
	["p", "pause live"], ["g o", "overview"], ["g c", "crons"], ["g t", "timeline"], ["g r", "runs"], ["g s", "syncs"], ["g x", "outbox"], ["?", "this sheet"]];
function sheet() {
	let dialog = $("#sheet");
	if (!dialog) {
		dialog = document.createElement("dialog");
		dialog.id = "sheet";
		dialog.setAttribute("aria-label", "Keyboard");
		const list = document.createElement("dl");
		list.className = "facts";
		for (const [key, what] of help) {
			const row = document.createElement("div"), name = document.createElement("dt"), text = document.createElement("dd"), kbd = document.createElement("kbd");
			kbd.textContent = key;
			text.textContent = what;
			name.append(kbd);
			row.append(name, text);
			list.append(row);
		}
		const close = document.createElement("button");
		close.textContent = "Close";
		close.addEventListener("click", () => dialog.close());
		dialog.append(list, close);
		document.body.append(dialog);
	}
	if (dialog.open) dialog.close(); else dialog.showModal();
}
if ($("#keys")) {
	$("#keys").hidden = false;
	$("#keys").addEventListener("click", sheet);
}

// ---- the messages of a run as they come ---------------------------------------
const log = $("#messages");
if (log?.dataset.tail) {
	const follow = $("#follow"), unseen = $("#unseen");
	let following = !location.hash.startsWith("#m"), fresh = 0, tail;
	const bottom = () => log.scrollHeight - log.scrollTop - log.clientHeight < 24;
	const show = () => {
		follow.hidden = false;
		follow.setAttribute("aria-pressed", String(following));
		follow.textContent = following ? "Following" : "Follow";
		unseen.hidden = following || !fresh;
		unseen.textContent = `${fresh} new ↓`;
	};
	const go = (on) => {
		following = on;
		if (on) { fresh = 0; log.scrollTop = log.scrollHeight; }
		show();
	};
	const line = (m) => {
		const item = document.createElement("li"), link = document.createElement("a"), time = document.createElement("time");
		const level = document.createElement("span"), text = document.createElement("span");
		item.id = `m${m.id}`;
		item.className = m.level;
		link.href = `${log.dataset.run}?from=${m.id}#m${m.id}`;
		time.dateTime = time.title = m.at;
		time.textContent = m.time;
		level.className = "level";
		level.textContent = m.level;
		text.className = "text";
		text.textContent = m.text;
		link.append(time);
		item.append(link, " ", level, " ", text);
		if (m.cut) {
			const whole = document.createElement("a");
			whole.href = `${log.dataset.run}/messages/${m.id}`;
			whole.textContent = "the whole message";
			item.append(" ", whole);
		}
		return item;
	};
	const listen = () => {
		tail = new EventSource(log.dataset.tail);
		tail.addEventListener("message", (event) => {
			const m = JSON.parse(event.data);
			if ($(`#m${m.id}`)) return;
			$("#silence")?.remove();
			log.append(line(m));
			while (log.children.length > 2000) log.firstElementChild.remove();
			if (following) log.scrollTop = log.scrollHeight; else fresh += 1;
			show();
		});
		tail.addEventListener("end", (event) => { tail.close(); follow.hidden = true; log.dataset.ended = event.data; refresh(); });
	};
	log.addEventListener("scroll", () => { if (following !== bottom()) go(bottom()); });
	follow.addEventListener("click", () => go(!following));
	unseen.addEventListener("click", () => go(true));
	document.addEventListener("keydown", (event) => {
		if (event.key === "f" && !event.ctrlKey && !event.metaKey && !event.target.closest?.("input, textarea, select")) go(!following);
	});
	listen();
	go(following);
}
