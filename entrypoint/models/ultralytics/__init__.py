"""The families of the ultralytics package: v3u, v5u, v8 to v10, 11, 12 and 26; a file of layers for each generation."""
