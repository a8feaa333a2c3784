from tests.domains.automation.test_automation_pages_chromium import page, signed_in  # noqa: F401
from tests.domains.automation.test_job_pages_chromium import address, job_at, place  # noqa: F401
import re
AT="/automation"
def test_shots(page, address):
    whole = {w: job_at(page, address, w) for w in ("/shop", "/no", "/waits")}
    authority = re.search(r"host=(127[^\"&]*)\"", page.goto(f"{address}{AT}/hosts/").text())[1]
    paths = {"home":"/","queue":f"{AT}/jobs/","new":f"{AT}/jobs/new/","dead":f"{AT}/dead/","hosts":f"{AT}/hosts/","host":f"{AT}/hosts/?host={authority}","shop":whole["/shop"],"no":whole["/no"],"waits":whole["/waits"]}
    for theme,width in (("light",1400),("dark",400),("dark",1400)):
        page.emulate_media(color_scheme=theme); page.set_viewport_size({"width":width,"height":900})
        for name,path in paths.items():
            if theme=="dark" and width==1400 and name not in ("shop","host"): continue
            page.goto(address+path)
            if name=="shop": page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true; })")
            page.screenshot(path=f"/tmp/shots-{name}-{theme}-{width}.png", full_page=True)
