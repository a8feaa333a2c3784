// The API's documentation, drawn from its own description.
window.addEventListener("DOMContentLoaded", function () {
  "use strict";
  window.SwaggerUIBundle({
    url: "/api/openapi.json", dom_id: "#reference", layout: "BaseLayout", deepLinking: true, docExpansion: "none",
    defaultModelsExpandDepth: -1, displayRequestDuration: true, filter: true, validatorUrl: null,
    presets: [window.SwaggerUIBundle.presets.apis]
  });
});
