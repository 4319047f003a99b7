"""Names of languages by their ISO 639 code, those in which data is likely to be written."""

_PAIRS = (
    "af=Afrikaans am=Amharic ar=Arabic az=Azerbaijani be=Belarusian bg=Bulgarian bn=Bengali bs=Bosnian ca=Catalan "
    "cs=Czech cy=Welsh da=Danish de=German el=Greek en=English eo=Esperanto es=Spanish et=Estonian eu=Basque "
    "fa=Persian fi=Finnish fr=French ga=Irish gl=Galician gu=Gujarati ha=Hausa he=Hebrew hi=Hindi hr=Croatian "
    "hu=Hungarian hy=Armenian id=Indonesian is=Icelandic it=Italian ja=Japanese ka=Georgian kk=Kazakh km=Khmer "
    "kn=Kannada ko=Korean ky=Kyrgyz lo=Lao lt=Lithuanian lv=Latvian mk=Macedonian ml=Malayalam mn=Mongolian "
    "mr=Marathi ms=Malay my=Burmese ne=Nepali nl=Dutch no=Norwegian nn=Norwegian pa=Punjabi pl=Polish "
    "ps=Pashto pt=Portuguese ro=Romanian ru=Russian si=Sinhala sk=Slovak sl=Slovenian so=Somali sq=Albanian "
    "sr=Serbian sv=Swedish sw=Swahili ta=Tamil te=Telugu tg=Tajik th=Thai tl=Tagalog tr=Turkish uk=Ukrainian "
    "ur=Urdu uz=Uzbek vi=Vietnamese yo=Yoruba zh=Chinese zu=Zulu"
)

NAMES = dict(pair.split("=") for pair in _PAIRS.split())
