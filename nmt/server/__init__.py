"""Translation over HTTP in LibreTranslate's form, with a page to translate on."""
