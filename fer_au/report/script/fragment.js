// The state of the page in its address, `#SECTION?key=value&...`, so that what a reader sees can be sent.

const WRITE_AFTER_MS = 150; // browsers refuse to note every step of a slider
let waitingWrite = null;

/** Read the section that the address names, and its values, all of them texts. */
function readFragment() {
  const [section, values] = location.hash.slice(1).split(/\?(.*)/s);
  return { section, values: Object.fromEntries(new URLSearchParams(values ?? "")) };
}

/** Spell a section and its values as the end of an address; empty values are left out. */
function spellFragment(section, values) {
  const told = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(told).toString();
  return `#${section}${text ? `?${text}` : ""}`;
}

/** Note a section's values in the address, without a new entry in the browser's history and without scrolling. */
function writeFragment(section, values) {
  clearTimeout(waitingWrite);
  waitingWrite = setTimeout(() => history.replaceState(null, "", spellFragment(section, values)), WRITE_AFTER_MS);
}

/** Call back whenever a link or the reader names a section with values, and at once if the address does so already. */
function onFragment(section, callback) {
  const listen = () => {
    const now = readFragment();
    if (now.section === section && Object.keys(now.values).length) callback(now.values);
  };
  addEventListener("hashchange", listen);
  listen();
}
