// What a figure's script works on: base64 of gzipped JSON, in the page or in a file of its own.
const fpcoursePacked = {
  bytes: (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)),
  async read(holder) {
    if (holder.dataset.src) {
      await new Promise((resolve, reject) => {
        const script = document.createElement("script"); // a page opened from a disk may load nothing else
        Object.assign(script, { src: holder.dataset.src, onload: resolve, onerror: () => reject(new Error(`no ${script.src}`)) });
        document.head.append(script);
      });
    }
    const stream = new Blob([fpcoursePacked.bytes(holder.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  },
};
