"""The admin listener: API, metrics, health. Imported only where the config asks for it."""
