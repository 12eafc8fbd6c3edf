"""The words of the built-in corpus, German and English side by side, and the forms they take.

The vocabulary is closed: about 110 nouns, 30 adjectives, 50 verbs. Each word says what it goes with
(people eat food and read texts), so that the sentences describe a small world. Where one German word
has several English ones or the other way round, exactly one pair is listed: a sentence has one
translation, and a model is not scored by guesses.
"""

import re
from typing import NamedTuple

NOMINATIVE, ACCUSATIVE, DATIVE = range(3)
GENDERS = ("der", "die", "das")  # by article; the fourth column of every table of endings is the plural


class Noun(NamedTuple):
    """A noun; an empty singular or plural is a form that is never used.

    The gender is an index into GENDERS; a weak noun takes the ending of its plural: den Jungen.
    """

    singular: str
    plural: str
    gender: int
    english: str
    english_plural: str
    kind: str
    weak: bool

    @property
    def lemma(self) -> str:
        return self.singular or self.plural

    def form(self, case: int, *, plural: bool) -> str:
        if plural:
            return self.plural + ("n" if case == DATIVE and self.plural[-1] not in "ns" else "")
        return self.plural if self.weak and case != NOMINATIVE else self.singular


class Adjective(NamedTuple):
    """An adjective: the form of the predicate, the stem that takes endings, and the nouns it suits.

    Of one group (big, small) a thing is only one.
    """

    german: str
    stem: str
    english: str
    suits: frozenset[str]
    group: int


class Verb(NamedTuple):
    """A verb of both languages; present tenses by agreement (I, you, he, they)."""

    frame: str
    infinitive: str
    prefix: str
    present: tuple[str, str, str, str]
    participle: str
    auxiliary: str
    english: str
    third: str
    past: str
    ing: str
    stative: bool
    objects: tuple[Noun, ...]
    places: tuple[Noun, ...]


_NOUNS = {
    "person": """
        der Mann, Männer = man, men
        die Frau, Frauen = woman, women
        das Kind, Kinder = child, children
        der Junge*, Jungen = boy
        das Mädchen, Mädchen = girl
        die Mutter, Mütter = mother
        der Vater, Väter = father
        die Schwester, Schwestern = sister
        der Bruder, Brüder = brother
        die Großmutter, Großmütter = grandmother
        die Tante, Tanten = aunt
        der Onkel, Onkel = uncle
        der Freund, Freunde = friend
        der Nachbar*, Nachbarn = neighbor
        der Student*, Studenten = student
        der Arzt, Ärzte = doctor
        die Lehrerin, Lehrerinnen = teacher
        die Köchin, Köchinnen = cook
        der Gärtner, Gärtner = gardener
        die Malerin, Malerinnen = painter
    """,
    "animal": """
        der Hund, Hunde = dog
        die Katze, Katzen = cat
        das Pferd, Pferde = horse
        der Vogel, Vögel = bird
        die Kuh, Kühe = cow
        der Hase*, Hasen = hare
        das Schaf, Schafe = sheep, sheep
    """,
    "food": """
        der Apfel, Äpfel = apple
        die Birne, Birnen = pear
        die Kartoffel, Kartoffeln = potato, potatoes
        die Tomate, Tomaten = tomato, tomatoes
        das Ei, Eier = egg
        die Wurst, Würste = sausage
        die Pizza, Pizzas = pizza
    """,
    "cake": """
        der Kuchen, Kuchen = cake
        der Apfelkuchen, Apfelkuchen = apple cake
        der Kirschkuchen, Kirschkuchen = cherry cake
        der Keks, Kekse = cookie
    """,
    "soup": """
        die Suppe = soup
        die Kartoffelsuppe = potato soup
        die Tomatensuppe = tomato soup
    """,
    "drink": """
        der Kaffee = coffee
        der Tee = tea
        die Milch = milk
        das Wasser = water
        der Apfelsaft = apple juice
        die Limonade = lemonade
    """,
    "text": """
        das Buch, Bücher = book
        die Zeitung, Zeitungen = newspaper
        der Brief, Briefe = letter
        der Roman, Romane = novel
        das Gedicht, Gedichte = poem
        die Geschichte, Geschichten = story
        das Kochbuch, Kochbücher = cookbook
        das Kinderbuch, Kinderbücher = children's book
    """,
    "clothes": """
        der Mantel, Mäntel = coat
        der Hut, Hüte = hat
        die Jacke, Jacken = jacket
        das Hemd, Hemden = shirt
        das Kleid, Kleider = dress
        der Rock, Röcke = skirt
        -, Schuhe = -, shoes
        der Regenmantel, Regenmäntel = raincoat
        die Winterjacke, Winterjacken = winter jacket
        der Strohhut, Strohhüte = straw hat
    """,
    "thing": """
        die Lampe, Lampen = lamp
        die Uhr, Uhren = clock
        das Bild, Bilder = picture
        der Spiegel, Spiegel = mirror
        der Koffer, Koffer = suitcase
        die Tasche, Taschen = bag
        die Handtasche, Handtaschen = handbag
        der Schlüssel, Schlüssel = key
        die Blumenvase, Blumenvasen = flower vase
        die Armbanduhr, Armbanduhren = wristwatch
    """,
    "furniture": """
        der Tisch, Tische = table
        der Stuhl, Stühle = chair
        der Schrank, Schränke = cupboard
        der Teppich, Teppiche = carpet
        der Küchentisch, Küchentische = kitchen table
        der Gartenstuhl, Gartenstühle = garden chair
    """,
    "vehicle": """
        das Auto, Autos = car
        das Fahrrad, Fahrräder = bicycle
        das Boot, Boote = boat
    """,
    "opening": """
        die Tür, Türen = door
        das Fenster, Fenster = window
        das Tor, Tore = gate
        die Haustür, Haustüren = front door
        das Gartentor, Gartentore = garden gate
        das Küchenfenster, Küchenfenster = kitchen window
    """,
    "place": """
        der Garten, Gärten = garden
        die Küche, Küchen = kitchen
        das Zimmer, Zimmer = room
        das Büro, Büros = office
        das Haus, Häuser = house
        die Schule, Schulen = school
        die Bibliothek, Bibliotheken = library
        das Museum, Museen = museum
        die Kirche, Kirchen = church
        das Krankenhaus, Krankenhäuser = hospital
        das Café, Cafés = café
        der Bahnhof, Bahnhöfe = train station
        der Markt, Märkte = market
        der Marktplatz, Marktplätze = market square
        der Park, Parks = park
        der Wald, Wälder = forest
        das Dorf, Dörfer = village
        die Stadt, Städte = town
    """,
}

# German [stem] = English : the kinds of nouns, or single nouns, it suits.
# A thing is only one of what stands in one paragraph: big or small, never both.
_ADJECTIVES = """
    groß = big : animal food cake clothes thing furniture vehicle opening place
    klein = small : Mann Frau Kind Junge Mädchen animal food cake thing furniture vehicle opening place

    alt = old : Mann Frau Freund Arzt Lehrerin animal text clothes thing furniture vehicle opening place
    neu = new : text clothes thing furniture vehicle opening
    jung = young : Mann Frau Tante Onkel Arzt Lehrerin Köchin Gärtner Malerin animal

    rot = red : clothes thing furniture vehicle opening Apfel Tomate
    blau = blue : clothes thing furniture vehicle opening
    grün = green : clothes thing furniture vehicle opening Apfel Birne
    schwarz = black : animal clothes thing furniture vehicle
    weiß = white : animal clothes furniture vehicle opening
    braun = brown : animal clothes furniture

    teuer teur = expensive : text clothes thing furniture vehicle drink
    billig = cheap : text clothes thing furniture vehicle drink

    lang = long : text Mantel Kleid Rock
    kurz = short : text Mantel Kleid Rock

    interessant = interesting : text person Museum Stadt Bild
    langweilig = boring : text

    warm = warm : clothes
    kalt = cold : soup drink
    heiß = hot : soup drink

    glücklich = happy : person
    traurig = sad : person

    schön = beautiful : person animal clothes thing furniture place

    schmutzig = dirty : animal clothes vehicle opening Spiegel Koffer Tisch Stuhl Teppich

    schwer = heavy : furniture Koffer Tasche Spiegel

    berühmt = famous : person Buch Roman Gedicht Bild Museum Kirche

    frisch = fresh : food cake drink

    süß = sweet : cake drink Apfel Birne

    freundlich = friendly : person animal

    müde müd = tired : person animal

    krank = sick : person animal

    hungrig = hungry : person animal
"""

# German: infinitive [third person where the stem changes] participle. English: base [past].
# A star marks English verbs that stand in the simple present even now. After the colon stand the
# objects (kinds or nouns), after the @ the places where one does it.
_VERBS = {
    "accusative": """
        kaufen, gekauft = buy, bought : food cake drink text clothes thing furniture vehicle @ Markt Stadt
        verkaufen, verkauft = sell, sold : food cake text clothes thing furniture vehicle @ Markt Stadt Dorf
        brauchen, gebraucht = need* : text clothes thing furniture vehicle
        suchen, gesucht = look for : person animal text clothes thing @ Garten Park Wald Haus Bahnhof
        finden, gefunden = find*, found : animal text clothes thing @ Garten Park Wald Haus Schule
        sehen, sieht, gesehen = see*, saw : person animal vehicle @ Park Wald Stadt Dorf Bahnhof
        verlieren, verloren = lose*, lost : text clothes thing @ Park Wald Stadt Bahnhof
        vergessen, vergisst, vergessen = forget*, forgot : text clothes thing @ Café Schule Büro Museum
        essen, isst, gegessen = eat, ate : food cake soup @ Küche Garten Park Café
        kochen, gekocht = cook : soup Kartoffel Ei @ Küche
        backen, gebacken = bake : cake Pizza @ Küche
        trinken, getrunken = drink, drank : drink @ Küche Garten Café Büro
        bestellen, bestellt = order : cake soup drink @ Café
        lesen, liest, gelesen = read, read : text @ Garten Park Küche Bibliothek Café
        schreiben, geschrieben = write, wrote : Brief Buch Roman Gedicht Geschichte Kinderbuch @ Büro Café
        tragen, trägt, getragen = wear, wore : clothes @ Stadt Schule Park
        waschen, wäscht, gewaschen = wash : clothes vehicle Apfel Birne Kartoffel Tomate
        putzen, geputzt = clean : opening vehicle Tisch Küchentisch Schrank Spiegel Schuhe
        reparieren, repariert = repair : opening vehicle Lampe Uhr Stuhl Tisch Armbanduhr Gartenstuhl
        öffnen, geöffnet = open : opening Koffer Schrank Tasche Brief
        malen, gemalt = paint : person animal Bild @ Garten Park Wald
        besuchen, besucht = visit : person Museum Kirche Stadt
        fragen, gefragt = ask : person
        kennen, gekannt = know*, knew : person Museum Kirche Stadt
        lieben, geliebt = love* : person animal
        füttern, gefüttert = feed, fed : animal @ Garten Park
        an|rufen, angerufen = call : person
        ein|laden, lädt, eingeladen = invite : person
        ab|holen, abgeholt = pick up : person Koffer Schlüssel
        an|ziehen, angezogen = put on, put : clothes
        auf|hängen, aufgehängt = hang up, hung : Bild Spiegel Uhr Mantel Jacke Kleid Hemd
        zu|machen, zugemacht = close : opening Schrank Koffer Tasche
        auf|räumen, aufgeräumt = tidy up : Küche Zimmer Büro Haus Schrank
        weg|werfen, wirft, weggeworfen = throw away, threw : text clothes thing
        aus|leihen, ausgeliehen = borrow : text vehicle
    """,
    "dative": """
        helfen, hilft, geholfen = help : person @ Garten Küche Schule
        danken, gedankt = thank : person
        folgen, ist gefolgt = follow : person animal
    """,
    "giving": """
        geben, gibt, gegeben = give, gave : food cake text clothes thing
        zeigen, gezeigt = show : animal text clothes thing vehicle
        schicken, geschickt = send, sent : text clothes Bild
        mit|bringen, mitgebracht = bring, brought : food cake text
    """,
    "intransitive": """
        schlafen, schläft, geschlafen = sleep, slept @ Garten Zimmer Haus
        arbeiten, gearbeitet = work @ Garten Küche Büro Schule Bibliothek Museum Krankenhaus
        spielen, gespielt = play @ Garten Zimmer Park Wald Schule
        tanzen, getanzt = dance @ Küche Park Marktplatz
        singen, gesungen = sing, sang @ Kirche Küche Garten Schule
        warten, gewartet = wait @ Bahnhof Park Café Krankenhaus
        auf|stehen, ist aufgestanden = get up, got
        auf|wachen, ist aufgewacht = wake up, woke
        an|kommen, ist angekommen = arrive @ Bahnhof Dorf Stadt
    """,
    "placing": """
        legen, gelegt = put, put : text thing clothes
    """,
    "motion": """
        gehen, ist gegangen = go, went : place
        laufen, läuft, ist gelaufen = run, ran : place
        fahren, fährt, ist gefahren = drive, drove : Bahnhof Museum Krankenhaus Schule Markt Büro Kirche
    """,
    "belonging": """
        gehören, gehört = belong to* : text clothes thing furniture vehicle animal
        gefallen, gefällt, gefallen = like* : text clothes thing furniture vehicle animal place
    """,
    "lying": """
        liegen, gelegen = lie, lay : text thing clothes
    """,
    "measuring": """
        kosten, gekostet = cost*, cost : text clothes thing furniture vehicle
        haben, hat, gehabt = have*, had : Dorf Stadt Buch Roman Kochbuch Kinderbuch
    """,
    "saying": """
        wissen, weiß, gewusst = know*, knew
        glauben, geglaubt = believe*
        hoffen, gehofft = hope*
        sagen, gesagt = say*, said
    """,
    "weather": """
        regnen, geregnet = rain
        schneien, geschneit = snow
    """,
}


def _lines(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


def _noun(line: str, kind: str) -> Noun:
    german, english = ((side + ", ").split(", ")[:2] for side in line.split(" = "))
    article, _, word = german[0].rpartition(" ")
    singular = word.strip("-*")
    gender = GENDERS.index(article) if singular else 3
    many = english[1] or (_s_form(english[0]) if german[1] else "")
    return Noun(singular, german[1], gender, english[0].strip("-"), many, kind, word.endswith("*"))


def _s_form(word: str) -> str:
    """The plural of an English noun and the third person of a verb: boxes, stories, days."""
    if word == "have":
        return "has"
    if re.search(r"(s|x|ch|sh|o)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


def _ed_form(word: str) -> str:
    if word.endswith("e"):
        return word + "d"
    return word[:-1] + "ied" if re.search(r"[^aeiou]y$", word) else word + "ed"


def _ing_form(word: str) -> str:
    if re.search(r"[^e]e$", word):
        return re.sub("i$", "y", word[:-1]) + "ing"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", word)
    return word + (word[-1] if doubled else "") + "ing"


def _present(infinitive: str, third: str) -> tuple[str, str, str, str]:
    stem = infinitive.removesuffix("n") if infinitive.endswith("ern") else infinitive.removesuffix("en")
    if third and not third.endswith("t"):  # ich weiß, er weiß
        return third, third + "t", third, infinitive
    third = third or stem + ("et" if re.search(r"(t|d|ffn|gn)$", stem) else "t")
    second = third if third[-2] in "sßz" else third[:-1] + "st"
    return stem + "e", second, third, infinitive


def _verb(line: str, frame: str) -> Verb:
    line, _, places = line.partition(" @ ")
    line, _, objects = line.partition(" : ")
    german, english = (side.split(", ") for side in line.split(" = "))
    prefix, _, infinitive = german[0].rpartition("|")
    auxiliary, _, participle = german[-1].rpartition(" ")
    base, _, particle = english[0].replace("*", "").partition(" ")
    past = english[1] if len(english) > 1 else _ed_form(base)
    third, past, ing = (f"{form} {particle}".strip() for form in (_s_form(base), past, _ing_form(base)))
    return Verb(
        frame,
        prefix + infinitive,
        prefix,
        _present(infinitive, german[1] if len(german) == 3 else ""),
        participle,
        auxiliary or "hat",
        f"{base} {particle}".strip(),
        third,
        past,
        ing,
        english[0].endswith("*"),
        tuple(noun for word in objects.split() for noun in select(word)),
        tuple(noun for word in places.split() for noun in select(word)),
    )


def _adjective(line: str, group: int) -> Adjective:
    line, _, suits = line.partition(" : ")
    german, english = line.split(" = ")
    words = german.split()
    nouns = frozenset(noun.lemma for word in suits.split() for noun in select(word))
    return Adjective(words[0], words[-1], english, nouns, group)


NOUNS = tuple(_noun(line, kind) for kind, table in _NOUNS.items() for line in _lines(table))


def select(word: str) -> tuple[Noun, ...]:
    """The nouns of a kind ("food"), or the one noun ("Apfel"), in the order of the tables."""
    return tuple(noun for noun in NOUNS if word in (noun.kind, noun.lemma))


ADJECTIVES = tuple(
    _adjective(line, group) for group, table in enumerate(_ADJECTIVES.split("\n\n")) for line in _lines(table)
)
VERBS = {frame: tuple(_verb(line, frame) for line in _lines(table)) for frame, table in _VERBS.items()}
