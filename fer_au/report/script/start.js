// Joined last: starts every part of the page. A part whose data the page lacks does nothing.

document.documentElement.classList.add("scripted");
for (const start of [startMatrixLinks, startGallery, startScrollers, startTables]) start();
performance.mark("ready");
