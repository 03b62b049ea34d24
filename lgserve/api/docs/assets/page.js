"use strict";

// Paths are relative to this page: it works below any prefix, and behind any proxy.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  filter: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  persistAuthorization: true,
  validatorUrl: null, // else it asks a server on the internet whether the document is valid
});
