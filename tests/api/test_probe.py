import base64, json, httpx

def show(label, r):
    print(label, r.status_code, r.headers.get("content-type"), r.text[:160].replace("\n"," "))

def test_probe(alice, server):
    chat = alice.start()["id"]
    show("metadata1e30", alice.post("/api/v1/sessions/", {"user": {"external_id": alice.external_id}, "metadata": {"x": 1e30, "y": -0.0, "z": 1e308, "w": 5e-324, "q": 0.1}}))
    big = alice.get("/api/v1/sessions/", params={"user": alice.external_id}).json()["results"][0]
    print(big["metadata"])
    try:
        with alice.socket(big["id"]) as s:
            print(str(s.recv(3))[:80])
    except Exception as e: print("SOCKET", repr(e))
    for pos in ["2024-13-45 10:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-01-01T00:00:00", "2024-01-01", ""]:
        for r in ("", "&r=1"):
            c = base64.b64encode(f"p={pos}{r}".replace("+","%2B").encode()).decode()
            show("cursor "+pos+r, alice.get("/api/v1/sessions/", params={"cursor": c}))
    for c in ["garbage", "", "\x00", "é", "////", base64.b64encode(b"o=99999999999").decode(), base64.b64encode(b"o=-1").decode(), base64.b64encode(b"o=5").decode(), base64.b64encode(b"r=x").decode(), base64.b64encode(b"o=1000").decode()]:
        show("cursor "+repr(c), alice.get("/api/v1/sessions/", params={"cursor": c}))
    for p in ["/api/v1/sessions/nope/", f"/api/v1/sessions/{chat}", "/api/v1/sessions", "/api/v1/nothing/", "/api/v1/templates/a%00b/", "/api/v1/templates/%F0%9F%98%80/", "/api/v1/sessions/nope/messages/"]:
        show("GET "+p, alice.get(p)); show("POST "+p, alice.post(p, {}))
    p = f"/api/v1/sessions/{chat}/"
    for m in ("PUT","OPTIONS","HEAD","POST","TRACE","FOO"):
        show(m, alice.http.request(m, p)); show(m+" msgs", alice.http.request(m, p+"messages/") if m != "POST" else alice.get(p))
    for ct in ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/xml", "*/*", "application/*", "garbage"]:
        show("ct "+ct, alice.http.patch(p, content=b'{"title":"x"}', headers={"Content-Type": ct}))
        show("ct msgs "+ct, alice.http.post(p+"messages/", content=b'{"title":"x"}', headers={"Content-Type": ct}))
    show("noct", alice.http.patch(p, content=b'{"title":"x"}'))
    for ac in ["text/html", "application/xml", "image/*", "garbage", "text/event-stream", "application/problem+json", "*/*", ""]:
        show("ac "+ac, alice.http.patch(p, json={"title":"x"}, headers={"Accept": ac}))
        show("ac msgs "+ac, alice.http.get(p+"messages/", headers={"Accept": ac}))
    for n in (100_000, 3_000_000, 12_000_000):
        show(f"size {n}", alice.http.post(p+"messages/", content=b'{"content":"'+b"a"*n+b'"}', headers={"Content-Type":"application/json"}))
    show("chunked", alice.http.patch(p, content=iter([b'{"tit', b'le":"chunk"}']), headers={"Content-Type":"application/json"}))
    show("empty chunked", alice.http.patch(p, content=iter([]), headers={"Content-Type":"application/json"}))
    show("emptybody", alice.http.patch(p, content=b"", headers={"Content-Type":"application/json"}))
    show("spaces", alice.http.patch(p, content=b"  ", headers={"Content-Type":"application/json"}))
    for q in ["limit=0","limit=201","limit=x","limit=5.0","limit=1_0","limit= 5","limit=5&limit=6","what=1","user=","user=%00","user=%ff","user=%ED%A0%80","user="+"a"*129,"status=x","search=%00","search="+"a"*200, "status=","search=%25","limit="]:
        show("q "+q[:30], alice.get("/api/v1/sessions/?"+q))
    for q in ["limit=0","after_seq=-1","after_seq=9999999999999999999999","after_seq=x","after_seq=1&after_seq=2","after_seq="]:
        show("q "+q[:30], alice.get(p+"messages/?"+q))
    for lid in ["x", "x:1", chat+":", chat+":-1", chat+":9999999999", chat+":5", "\u0663", chat+":٣"]:
        show("leid "+lid, alice.http.get(p+"stream/", headers={"Last-Event-ID": lid.encode()}))
    print("500s:", server.log_text().count("Traceback"))
    assert 0
