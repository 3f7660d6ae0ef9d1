"""The one error of the converter: a sentence for the person who called it."""


class ConvertError(Exception):
    pass
