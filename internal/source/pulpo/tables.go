package pulpo

import "ferryman/internal/pipeline"

// Users is the table of the users whose warehouses are synchronised. Each call
// makes a new one.
func Users() *pipeline.Table {
	return &pipeline.Table{
		Name: "users",
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Integer, Required: true},
			{Name: "username", Type: pipeline.Text, Required: true},
			{Name: "email", Type: pipeline.Text, Required: true},
			{Name: "employee_id", Type: pipeline.Text, Required: true},
			{Name: "first_name", Type: pipeline.Text, Required: true},
			{Name: "last_name", Type: pipeline.Text, Required: true},
		},
		Stamps: stamps(),
		Key:    []string{"id"},
	}
}

// Warehouses is the table of the warehouses of all users. Each call makes a new one.
func Warehouses() *pipeline.Table {
	return &pipeline.Table{
		Name: "warehouses",
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Integer, Required: true},
			{Name: "name", Type: pipeline.Text, Required: true},
			{Name: "line1", Type: pipeline.Text, Required: true},
			{Name: "line2", Type: pipeline.Text},
			{Name: "site", Type: pipeline.Text},
			{Name: "city", Type: pipeline.Text},
			{Name: "state", Type: pipeline.Text},
			{Name: "zip_code", Type: pipeline.Text},
			{Name: "country", Type: pipeline.Text},
			{Name: "fax", Type: pipeline.Text},
			{Name: "phone", Type: pipeline.Text},
		},
		Stamps: stamps(),
		Key:    []string{"id"},
	}
}

// UsersWarehouses is the table that links users to their warehouses; a link goes
// with either side. Each call makes a new one.
func UsersWarehouses() *pipeline.Table {
	return &pipeline.Table{
		Name: "users_warehouses",
		Columns: []pipeline.Column{
			{Name: "user_id", Type: pipeline.Integer, Required: true},
			{Name: "warehouse_id", Type: pipeline.Integer, Required: true},
		},
		Key: []string{"user_id", "warehouse_id"},
		References: []pipeline.Reference{
			{Column: "user_id", Table: "users", Key: "id"},
			{Column: "warehouse_id", Table: "warehouses", Key: "id"},
		},
	}
}

func stamps() []pipeline.Stamp {
	return []pipeline.Stamp{
		{Name: "inserted_at", Type: pipeline.Time, On: pipeline.OnInsert},
		{Name: "updated_at", Type: pipeline.Time, On: pipeline.OnChange},
	}
}
