"""The report: index.html, one file that a browser shows without a network, and the contact sheet sheet.jpg.

`collect` gathers what they show while the records go by, `page` makes the page, `thumbnails` the small pictures.
"""
