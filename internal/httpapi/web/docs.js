"use strict";

SwaggerUIBundle({
	url: "/openapi.json",
	dom_id: "#docs",
	deepLinking: true,
	validatorUrl: null, // would send the description to a server outside
	defaultModelsExpandDepth: 0,
	displayRequestDuration: true,
});
