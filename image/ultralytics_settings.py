"""Write the settings file of the ultralytics package, complete, with every integration and call home off."""

from ultralytics import settings

off = {name: False for name, value in settings.items() if value is True}
settings.update({**off, "uuid": "0" * 64})
