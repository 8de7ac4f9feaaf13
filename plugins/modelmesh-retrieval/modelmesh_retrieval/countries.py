"""Countries by their ISO 3166 codes, for vendors who want the English name."""

from __future__ import annotations

_LIST = """
ae united arab emirates|af afghanistan|al albania|am armenia|ao angola|ar argentina|at austria|au australia
az azerbaijan|ba bosnia and herzegovina|bb barbados|bd bangladesh|be belgium|bf burkina faso|bg bulgaria|bh bahrain
bi burundi|bj benin|bn brunei|bo bolivia|br brazil|bs bahamas|bt bhutan|bw botswana|by belarus|bz belize|ca canada
cf central african republic|cg congo|ch switzerland|cl chile|cm cameroon|cn china|co colombia|cr costa rica|cu cuba
cv cape verde|cy cyprus|cz czech republic|de germany|dj djibouti|dk denmark|do dominican republic|dz algeria
ec ecuador|ee estonia|eg egypt|er eritrea|es spain|et ethiopia|fi finland|fj fiji|fr france|ga gabon
gb united kingdom|ge georgia|gh ghana|gm gambia|gn guinea|gq equatorial guinea|gr greece|gt guatemala|hn honduras
hr croatia|ht haiti|hu hungary|id indonesia|ie ireland|il israel|in india|iq iraq|ir iran|is iceland|it italy
jm jamaica|jo jordan|jp japan|ke kenya|kg kyrgyzstan|kh cambodia|km comoros|kp north korea|kr south korea|kw kuwait
kz kazakhstan|lb lebanon|li liechtenstein|lk sri lanka|lr liberia|ls lesotho|lt lithuania|lu luxembourg|lv latvia
ly libya|ma morocco|mc monaco|md moldova|me montenegro|mg madagascar|mk north macedonia|ml mali|mm myanmar|mn mongolia
mr mauritania|mt malta|mu mauritius|mv maldives|mw malawi|mx mexico|my malaysia|mz mozambique|na namibia|ne niger
ng nigeria|ni nicaragua|nl netherlands|no norway|np nepal|nz new zealand|om oman|pa panama|pe peru
pg papua new guinea|ph philippines|pk pakistan|pl poland|pt portugal|py paraguay|qa qatar|ro romania|rs serbia
ru russia|rw rwanda|sa saudi arabia|sd sudan|se sweden|sg singapore|si slovenia|sk slovakia|sn senegal|so somalia
ss south sudan|sv el salvador|sy syria|td chad|tg togo|th thailand|tj tajikistan|tm turkmenistan|tn tunisia|tr turkey
tt trinidad and tobago|tw taiwan|tz tanzania|ua ukraine|ug uganda|uk united kingdom|us united states|uy uruguay
uz uzbekistan|ve venezuela|vn vietnam|ye yemen|za south africa|zm zambia|zw zimbabwe
"""
NAMES = {entry[:2]: entry[3:] for line in _LIST.split("\n") for entry in line.split("|") if entry}
"""Code → name, both in lower case."""
