/* Load mermaid from this site, and only on pages with a diagram.
 * The theme uses the global object "mermaid" if there is one, and requests it from another host otherwise. So this
 * object stands for it until the first diagram. The file mermaid.min.js is copied here by "make docs" (mermaid.txt).
 */
(() => {
  const address = new URL("mermaid.min.js", document.currentScript.src).href;
  let settings = {};
  let loading = null;

  const load = () => {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onerror = () => reject(new Error(`${address} can't be loaded. Build the site with: make docs`));
      script.onload = () => {
        window.mermaid.initialize(settings);
        resolve(window.mermaid);
      };
      document.head.append(script);
    });
    return loading;
  };

  window.mermaid = {
    initialize(given) {
      settings = given;
    },
    async render(...given) {
      return (await load()).render(...given);
    },
  };
})();
