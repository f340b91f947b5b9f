"""The dashboard: pages for people, rendered on the server, over the API's own questions.

A module for each page; `templates` and `static` are files. jinja2 is imported with the first page.
"""
