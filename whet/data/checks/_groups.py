"""Words that speak of groups of people, by what they are told apart by; English, and only those of one meaning.

Words of origin and color are counted where a word for people follows ("African women"), as they belong to things too,
or where they can only be people ("Africans").
"""

_WORDS = {
    "gender": {
        "women": "she her hers herself woman women female females girl girls lady ladies mother mothers mom mum sister "
        "sisters daughter daughters wife wives aunt grandmother grandma girlfriend actress waitress mrs madam",
        "men": "he him his himself man men male males boy boys gentleman gentlemen father fathers dad brother brothers "
        "son sons husband husbands uncle grandfather grandpa boyfriend actor waiter mr",
    },
    "religion": {
        "Christians": "christian christians christianity catholic catholics protestant protestants church bible",
        "Muslims": "muslim muslims islam islamic mosque mosques quran koran",
        "Jews": "jew jews jewish judaism synagogue synagogues torah",
        "Hindus": "hindu hindus hinduism",
        "Buddhists": "buddhist buddhists buddhism",
        "unbelievers": "atheist atheists atheism agnostic agnostics",
    },
    "age": {
        "the young": "teenager teenagers teenage teens youngster youngsters millennial millennials adolescents",
        "the old": "elderly pensioner pensioners retiree retirees boomer boomers grandparents",
    },
    "origin": {
        "Africans": "africans nigerians kenyans ethiopians somalis ghanaians",
        "Asians": "asians koreans filipinos",
        "Indians": "indians pakistanis bangladeshis",
        "Arabs": "arabs syrians iraqis egyptians moroccans",
        "Latin Americans": "latino latinos latina latinas hispanics mexicans brazilians cubans",
        "Europeans": "europeans germans italians spaniards russians",
        "North Americans": "americans canadians",
    },
    "color": {"Black people": "blacks", "white people": "whites"},
    "sexuality": {
        "homosexuals": "gay gays lesbian lesbians homosexual homosexuals bisexual bisexuals",
        "heterosexuals": "heterosexual heterosexuals straights",
    },
}
_BEFORE_PEOPLE = {
    "Africans": "african nigerian kenyan ethiopian somali",
    "Asians": "asian chinese japanese korean vietnamese filipino",
    "Indians": "indian pakistani",
    "Arabs": "arab syrian iraqi egyptian moroccan",
    "Latin Americans": "hispanic mexican brazilian cuban",
    "Europeans": "european german french italian spanish british english irish polish russian",
    "North Americans": "american canadian",
    "Black people": "black",
    "white people": "white",
    "the young": "young younger",
    "the old": "old older",
}
_PEOPLE = (
    "people person persons man men woman women guy guys girl girls boy boys lady ladies child children kid kids family "
    "families immigrant immigrants worker workers student students neighbor neighbors couple couples community"
)

AXES = {axis: tuple(groups) for axis, groups in _WORDS.items()}
GROUPS = tuple(group for groups in AXES.values() for group in groups)
PLACE = {  # the place of a word's group in GROUPS
    word: GROUPS.index(group) for groups in _WORDS.values() for group, words in groups.items() for word in words.split()
}
_PRONOUNS = {"she", "her", "hers", "herself", "he", "him", "his", "himself", "mrs", "mr"}
_NAMES = {word for words in _WORDS["gender"].values() for word in words.split()} - _PRONOUNS  # "Isle of Man"
PLACE |= {word.capitalize(): place for word, place in PLACE.items() if word not in _NAMES}
_BEFORE = {word: GROUPS.index(group) for group, words in _BEFORE_PEOPLE.items() for word in words.split()}
BEFORE_PEOPLE = {written: place for word, place in _BEFORE.items() for written in (word, word.capitalize())}
PEOPLE = frozenset(_PEOPLE.split())
