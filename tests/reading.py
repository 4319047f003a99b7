"""A page as a program reads it, and text that wants to be more than text."""

from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "hr", "input"}
HOSTILE = "<script>alert(1)</script>{{7*7}}{% raw %}\"'><img src=x onerror=y> | a\nb `c` \x00\x1b\x85\ud800 "


class Reader(HTMLParser):
    """Keeps the tags, the ids, the text by tag and whatever was not closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.wrong, self.attributes, self.texts = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self):
        return "".join(data for tag, data in self.texts if tag != "style")
