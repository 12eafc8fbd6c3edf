"""The vocabulary of the built-in corpus as tables of text, German and English side by side.

It is closed: about 110 nouns, 30 adjectives, 50 verbs. Each word says what it goes with (people eat food and
read texts), so that the sentences describe a small world. Where one German word has several English ones or
the other way round, exactly one pair is listed: a sentence has one translation, and a model is not scored by
guesses. `lexicon` gives the words their forms.
"""

# Kind: article, German singular and plural = English, and its plural where it has no s. "-" and nothing are
# forms that are never used; a star marks weak nouns.
NOUNS = {
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
ADJECTIVES = """
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
VERBS = {
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
