package wms

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	firstUser     = int64(711)
	firstPlace    = int64(1201)
	tenant        = int64(58)
	maxUsers      = 1_000
	maxWarehouses = 100_000
)

// user is one account. Its fields are kept as they are sent, so that a test may
// put anything there.
type user struct {
	id         int64
	fields     map[string]any
	warehouses []int64
}

// data is everything that the API tells about. Its methods need the server's lock.
type data struct {
	users      map[int64]*user
	warehouses map[int64]map[string]any
}

// people and places are what the first users and warehouses are called; more of
// them are numbered on.
var (
	people = [...][2]string{
		{"Momoko", "Quay"}, {"Anselm", "Tidewater"}, {"Ilse", "Kranich"}, {"Teodor", "Bramble"},
		{"Noor", "Halyard"}, {"Søren", "Mølle"}, {"Zoé", "Lanterne"}, {"Ravi", "Monsoon"},
	}
	places = [...]struct{ name, line1, line2, site, city, state, zip, country, phone string }{
		{"Lantern Quay", "3 Lamplighter Steps", "Door 7", "Harbour side", "Port Ellery", "Ellery", "PE1 4QY", "Ireland", "+353 1 555 0117"},
		{"茶箱倉庫", "2-14-6 Minato", "", "岸壁", "横浜市", "神奈川県", "220-0012", "Japan", "+81 45 555 0142"},
		{"Speicher Nr. 9", "Am Kranichufer 9", "Hof 2", "", "Lübeck", "Schleswig-Holstein", "23552", "Germany", ""},
		{"O'Malley's \"Dry\" Store", "Mill Lane 40", "", "", "Kilbrin", "", "", "", "021 555 0163"},
		{"Тёплый склад", "Ивовая улица, 12", "корпус 3", "Север", "Выборг", "", "188800", "", ""},
		{"Nine Ladders", "88 Cooper's Rise", "", "Upper yard", "Tern Hill", "Shropshire", "TF9 2AA", "United Kingdom", ""},
		{"Entrepôt des Mouettes", "17 quai de l'Écluse", "Bâtiment C", "", "Saint-Malo", "Bretagne", "35400", "France", "+33 2 55 50 01 31"},
	}
)

func seed(username string, users, warehouses int) *data {
	d := &data{users: map[int64]*user{}, warehouses: map[int64]map[string]any{}}
	for i := range users {
		u := makeUser(i)
		d.users[u.id] = u
	}
	d.users[firstUser].fields["username"] = username
	d.generate(max(warehouses, 0))
	for i := 1; i < users; i++ { // everybody else shares the first two and has one alone
		u := d.users[firstUser+int64(i)]
		own := firstPlace + maxWarehouses + int64(i)
		d.warehouses[own] = makeWarehouse(i, own)
		shared := d.users[firstUser].warehouses
		u.warehouses = append(slices.Clone(shared[:min(2, len(shared))]), own)
	}
	return d
}

// generate gives the first user exactly n warehouses, keeping those there are.
func (d *data) generate(n int) {
	u := d.users[firstUser]
	for id := firstPlace; len(u.warehouses) < n; id++ {
		if _, taken := d.warehouses[id]; taken {
			continue
		}
		d.warehouses[id] = makeWarehouse(int(id-firstPlace), id)
		u.warehouses = append(u.warehouses, id)
	}
	if len(u.warehouses) > n {
		d.remove(slices.Clone(u.warehouses[n:])...)
	}
}

func makeUser(i int) *user {
	p := people[i%len(people)]
	name := strings.ToLower(p[0] + "." + p[1])
	if i >= len(people) {
		name = fmt.Sprintf("%s.%d", name, i)
	}
	id := firstUser + int64(i)
	return &user{id: id, fields: map[string]any{
		"active": true, "email": name + "@warehouses.example", "employee_id": fmt.Sprintf("Q-%04d", 1000+i),
		"erp_tenant_id": nil, "first_name": p[0], "id": id, "last_name": p[1], "location_id": 9000 + i,
		"tenant_id": tenant, "type": "admin", "username": name,
	}}
}

func makeWarehouse(i int, id int64) map[string]any {
	p := places[i%len(places)]
	name := p.name
	if i >= len(places) {
		name = fmt.Sprintf("%s %d", name, i)
	}
	return map[string]any{
		"active": true, "city": orNull(p.city), "country": orNull(p.country), "fax": nil, "id": id,
		"line1": p.line1, "line2": orNull(p.line2), "name": name, "phone": orNull(p.phone), "priority": 10 * (i + 1),
		"site": orNull(p.site), "state": orNull(p.state), "tenant_id": tenant, "zip_code": orNull(p.zip),
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (d *data) login(username string) *user {
	for _, u := range d.users {
		if u.fields["username"] == username {
			return u
		}
	}
	return nil
}

// remove deletes warehouses, and with them every user's hold on them. It tells
// whether there was any.
func (d *data) remove(ids ...int64) bool {
	before := len(d.warehouses)
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
		delete(d.warehouses, id)
	}
	for _, u := range d.users {
		u.warehouses = slices.DeleteFunc(u.warehouses, func(id int64) bool { return gone[id] })
	}
	return len(d.warehouses) < before
}

// listing is the answer about a user's warehouses.
func (d *data) listing(u *user) map[string]any {
	list := make([]map[string]any, len(u.warehouses))
	for i, id := range u.warehouses {
		list[i] = maps.Clone(d.warehouses[id])
	}
	all := maps.Clone(u.fields)
	all["warehouses"] = list
	return all
}
