package wms

import (
	"fmt"
	"maps"
	"slices"
)

// Profiles make the answer about oneself large, as the real one is: permissions
// are every action on every subject of every area that the profile covers.
var (
	areas    = [...]string{"inbound", "outbound", "inventory", "packing", "picking", "replenishment", "returns", "shipping", "reporting", "iam", "webhook"}
	subjects = [...]string{"order", "line", "location", "batch", "label", "box", "device", "note", "rule", "counting", "transfer", "supplier", "carrier", "attribute"}
	actions  = [...]string{"search", "show", "create", "update", "delete", "approve", "cancel"}
)

// profile is the answer about the user itself.
func (u *user) profile() map[string]any {
	me := maps.Clone(u.fields)
	me["erp_tenant"] = nil
	me["product_categories"] = categories()
	me["profiles"] = profiles()
	me["socket_profiles"] = []any{map[string]any{"id": 1, "key": "admin", "socket_permissions": []any{
		map[string]any{"id": 1, "key": "counting_mismatch"}, map[string]any{"id": 2, "key": "order_cancelled"},
	}}}
	me["tenant"] = map[string]any{"active": true, "id": tenant, "industry": "ferries", "name": "Quay & Daughters", "url": "quay.example"}
	me["third_parties"] = []any{}
	me["warehouses"] = append([]int64{}, slices.Clone(u.warehouses)...)
	return me
}

func categories() []any {
	var list []any
	for i, key := range [...]string{"pick", "fragile", "chilled", "valuable", "oversize"} {
		list = append(list, map[string]any{"code": key, "id": 400 + i, "name": key, "tenant_id": tenant})
	}
	return list
}

func profiles() []any {
	list := make([]any, 0, len(areas))
	id := 0
	for i, area := range areas {
		var permissions []any
		for _, subject := range subjects {
			for _, action := range actions {
				id++
				permissions = append(permissions, map[string]any{"id": id, "key": fmt.Sprintf("%s_%s_%s", area, subject, action)})
			}
		}
		list = append(list, map[string]any{"id": i + 1, "key": area + "_manager", "permissions": permissions})
	}
	return list
}
